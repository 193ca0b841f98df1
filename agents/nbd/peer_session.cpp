// SPDX-License-Identifier: Apache-2.0
#include "agents/nbd/sessions.hpp"

#include "core/base/background.hpp"
#include "core/base/log.hpp"

#include <cerrno>

namespace foreshift {

namespace {

/// Partial failures of a copy are told apart by numbers NBD can carry: see `error_number`.
class partition_session final : public session {
public:
  partition_session(plane& host, peer_session peer) : plane_(host), peer_(std::move(peer)) {}

  std::uint64_t size() const override { return peer_.extents->layout().size_bytes; }
  bool writable() const override { return !peer_.copy; }
  std::string description() const override {
    return "extents of volume " + std::to_string(peer_.extents->layout().id) + " on host "
           + plane_.options().host;
  }

  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    auto pass = peer_.line->enter(peer_.number);
    if (!pass)
      return superseded();
    if (peer_.copy) {
      // A thread of nbdkit serves one connection all its life.
      thread_local const bool calm = (run_in_background(), true);
      (void)calm;
      plane_.pace().yield(out.size());
    }
    auto began = plane_.clock().monotonic_ns();
    auto done = peer_.copy ? peer_.extents->read_verified(offset, out)
                           : peer_.extents->read(peer_.permit, offset, out);
    auto& counters = peer_.copy ? plane_.copy_io() : plane_.peer_io();
    counters.note_read(out.size(), plane_.clock().monotonic_ns() - began);
    return noted("read", offset, std::move(done));
  }

  result<void> write(std::uint64_t offset, std::span<const std::byte> in) override {
    auto pass = peer_.line->enter(peer_.number);
    if (!pass)
      return superseded();
    auto began = plane_.clock().monotonic_ns();
    auto done = peer_.extents->write(peer_.permit, offset, in);
    plane_.peer_io().note_write(in.size(), plane_.clock().monotonic_ns() - began);
    return noted("write", offset, std::move(done));
  }

  result<void> zero(std::uint64_t offset, std::uint64_t length) override {
    auto pass = peer_.line->enter(peer_.number);
    if (!pass)
      return superseded();
    auto began = plane_.clock().monotonic_ns();
    auto done = peer_.extents->zero(peer_.permit, offset, length);
    plane_.peer_io().note_write(0, plane_.clock().monotonic_ns() - began);
    return noted("zero", offset, std::move(done));
  }

  result<void> flush() override {
    auto pass = peer_.line->enter(peer_.number);
    if (!pass)
      return superseded();
    plane_.peer_io().flushes.fetch_add(1, std::memory_order_relaxed);
    return noted("flush", 0, peer_.extents->flush(peer_.permit));
  }

  /// nbdkit carries few numbers. Peers read EINVAL as `corrupt` and EPERM as `precondition`: the
  /// extent is not here for this session. A copy session, which has no permit, means by it that the
  /// extent does not match its checksum.
  int error_number(const fault& why) const override {
    switch (why.code) {
    case errc::refused:
      return peer_.copy ? EIO : ESHUTDOWN;
    case errc::precondition:
      return peer_.copy ? EIO : EPERM;
    case errc::corrupt:
      return peer_.copy ? EPERM : EINVAL;
    case errc::no_space:
      return ENOSPC;
    default:
      return EIO;
    }
  }

private:
  static fault superseded() {
    return {errc::storage, "the holder has gone on with a later session"};
  }

  result<void> noted(const char* verb, std::uint64_t offset, result<void> done) {
    if (done)
      return done;
    plane_.peer_io().errors.fetch_add(1, std::memory_order_relaxed);
    auto why = classify(*peer_.extents, peer_.permit, done.error());
    slog::warn("peer's {} failed volume={} host={} epoch={} offset={}: {}", verb,
               peer_.extents->layout().id, plane_.options().host, peer_.permit.epoch, offset,
               to_string(why));
    return why;
  }

  plane& plane_;
  peer_session peer_;
};

} // namespace

result<std::unique_ptr<session>> open_peer_session(plane& host, std::string_view export_name) {
  if (export_name.starts_with("look:"))
    return open_look_session(host, export_name);
  auto peer = host.open_peer(export_name);
  if (!peer)
    return peer.error();
  return std::unique_ptr<session>{new partition_session{host, *std::move(peer)}};
}

} // namespace foreshift
