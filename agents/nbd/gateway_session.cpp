// SPDX-License-Identifier: Apache-2.0
#include "agents/nbd/sessions.hpp"

#include <cerrno>

namespace foreshift {

namespace {

class gateway_session final : public session {
public:
  gateway_session(plane& host, client_session client) : plane_(host), client_(std::move(client)) {}
  ~gateway_session() override { plane_.close_client(client_.vci); }

  std::uint64_t size() const override { return client_.gate->shape().size_bytes; }
  bool writable() const override { return true; }
  std::string description() const override {
    return "volume " + client_.gate->shape().name + " on host " + plane_.options().host;
  }

  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return client_.gate->read(client_.vci, offset, out);
  }
  result<void> write(std::uint64_t offset, std::span<const std::byte> in) override {
    return client_.gate->write(client_.vci, offset, in);
  }
  result<void> zero(std::uint64_t offset, std::uint64_t length) override {
    return client_.gate->zero(client_.vci, offset, length);
  }
  result<void> flush() override { return client_.gate->flush(); }

  int error_number(const fault& why) const override {
    switch (why.code) {
    case errc::refused:
      return ESHUTDOWN;
    case errc::no_space:
      return ENOSPC;
    default:
      return EIO; // Time-outs too: NBD has no ETIMEDOUT.
    }
  }

private:
  plane& plane_;
  client_session client_;
};

} // namespace

result<std::unique_ptr<session>> open_gateway_session(plane& host, std::string_view export_name,
                                                      std::int64_t pid) {
  auto client = host.open_client(export_name, pid);
  if (!client)
    return client.error();
  return std::unique_ptr<session>{new gateway_session{host, *std::move(client)}};
}

} // namespace foreshift
