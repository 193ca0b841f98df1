// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/watch.hpp"

#include "tests/sim/counts.hpp"
#include "tests/sim/machine.hpp"

namespace foreshift::sim {

namespace {

class watched_session final : public session {
public:
  watched_session(std::unique_ptr<session> inner, peer_session peer, std::string host)
      : inner_(std::move(inner)), peer_(std::move(peer)), host_(std::move(host)) {}

  std::uint64_t size() const override { return inner_->size(); }
  bool writable() const override { return inner_->writable(); }
  std::string description() const override { return inner_->description(); }
  int error_number(const fault& why) const override { return inner_->error_number(why); }

  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return watched("read", [&] { return inner_->read(offset, out); });
  }
  result<void> write(std::uint64_t offset, std::span<const std::byte> in) override {
    return watched("write", [&] { return inner_->write(offset, in); });
  }
  result<void> zero(std::uint64_t offset, std::uint64_t length) override {
    return watched("zero", [&] { return inner_->zero(offset, length); });
  }
  result<void> flush() override {
    return watched("flush", [&] { return inner_->flush(); });
  }

private:
  template <class F>
  result<void> watched(const char* verb, F act) {
    auto seen = peer_.extents->fence().epoch;
    auto done = act();
    counts::add(count::peer_requests);
    if (done && !peer_.copy && peer_.permit.epoch < seen)
      violated("I2", "host " + host_ + " served a " + verb + " of epoch "
                         + std::to_string(peer_.permit.epoch) + " after it had seen epoch "
                         + std::to_string(seen));
    return done;
  }

  const std::unique_ptr<session> inner_;
  const peer_session peer_;
  const std::string host_;
};

} // namespace

result<std::unique_ptr<session>> watched_peer_session(plane& host, const std::string& name) {
  auto peer = host.open_peer(name);
  auto inner = open_peer_session(host, name);
  if (!peer || !inner)
    return peer ? inner.error() : peer.error();
  return std::unique_ptr<session>{
      new watched_session{*std::move(inner), *std::move(peer), host.options().host}};
}

void watch_start_failed(const machine& where, const fault& why) {
  if (where.disk.faults.any() || kernel::now_ns() - where.disk.failed_ns() < second)
    return;
  violated("I7", "the data plane of " + where.host() + " does not start: " + to_string(why));
}

void violated(const std::string& invariant, const std::string& how) {
  kernel::trace("violated " + invariant + ": " + how);
  kernel::finish(1, invariant + ": " + how);
}

} // namespace foreshift::sim
