// SPDX-License-Identifier: Apache-2.0
#include "agents/nbd/sessions.hpp"

#include <cerrno>

namespace foreshift {

namespace {

class look_session final : public session {
public:
  look_session(const std::string& host, std::shared_ptr<gateway> gate)
      : host_(host), gate_(std::move(gate)) {}

  std::uint64_t size() const override { return gate_->shape().size_bytes; }
  bool writable() const override { return false; }
  std::string description() const override {
    return "reads of volume " + gate_->shape().name + " by its primary " + host_;
  }

  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return gate_->look(offset, out);
  }
  result<void> write(std::uint64_t, std::span<const std::byte>) override { return read_only(); }
  result<void> zero(std::uint64_t, std::uint64_t) override { return read_only(); }
  result<void> flush() override { return gate_->flush_for_others(); }

  int error_number(const fault& why) const override {
    return why.code == errc::refused ? ESHUTDOWN : EIO;
  }

private:
  static fault read_only() { return {errc::invalid, "this session only reads"}; }

  const std::string host_;
  const std::shared_ptr<gateway> gate_;
};

} // namespace

result<std::unique_ptr<session>> open_look_session(plane& host, std::string_view export_name) {
  auto gate = host.open_look(export_name);
  if (!gate)
    return gate.error();
  return std::unique_ptr<session>{new look_session{host.options().host, *std::move(gate)}};
}

} // namespace foreshift
