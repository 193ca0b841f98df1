// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/kj_warnings.hpp"

#include "core/codec/packet.hpp"
#include "core/door/frame_guard.hpp"

#include <kj/async-io.h>

namespace foreshift::door {

/// The largest frame either side accepts: one packet and the RPC message around it.
inline constexpr std::size_t frame_bytes_max = packet_bytes_max + 4096;

/// A stream whose incoming bytes pass a frame_guard before the RPC layer may act on them. Lives on
/// the io thread.
class guarded_stream final : public kj::AsyncIoStream {
public:
  explicit guarded_stream(kj::Own<kj::AsyncIoStream> inner);

  std::uint64_t frames() const { return guard_.frames(); }

  /// Resolves when the guard has refused the stream; call once.
  kj::Promise<void> when_broken() { return kj::mv(broken_.promise); }

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t min, std::size_t max) override;
  kj::Promise<void> write(const void* buffer, std::size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override;
  void shutdownWrite() override;
  void abortRead() override;
  void getsockopt(int level, int option, void* value, kj::uint* length) override;

private:
  kj::Own<kj::AsyncIoStream> inner_;
  frame_guard guard_{frame_bytes_max};
  kj::PromiseFulfillerPair<void> broken_ = kj::newPromiseAndFulfiller<void>();
};

} // namespace foreshift::door
