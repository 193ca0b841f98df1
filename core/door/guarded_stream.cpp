// SPDX-License-Identifier: Apache-2.0
#include "core/door/guarded_stream.hpp"

#include "core/base/log.hpp"

#include <kj/debug.h>

namespace foreshift::door {

guarded_stream::guarded_stream(kj::Own<kj::AsyncIoStream> inner) : inner_(kj::mv(inner)) {}

kj::Promise<std::size_t> guarded_stream::tryRead(void* buffer, std::size_t min, std::size_t max) {
  return inner_->tryRead(buffer, min, max)
      .then([this, buffer](std::size_t got) -> kj::Promise<std::size_t> {
        auto ok = guard_.pass({static_cast<const std::byte*>(buffer), got});
        if (ok)
          return got;
        slog::debug("a connection was closed: {}", ok.error().detail);
        broken_.fulfiller->fulfill();
        return KJ_EXCEPTION(DISCONNECTED, "the other side sent a frame that is not acceptable");
      });
}

kj::Promise<void> guarded_stream::write(const void* buffer, std::size_t size) {
  return inner_->write(buffer, size);
}

kj::Promise<void> guarded_stream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  return inner_->write(pieces);
}

kj::Promise<void> guarded_stream::whenWriteDisconnected() {
  return inner_->whenWriteDisconnected();
}

void guarded_stream::shutdownWrite() {
  inner_->shutdownWrite();
}

void guarded_stream::abortRead() {
  inner_->abortRead();
}

void guarded_stream::getsockopt(int level, int option, void* value, kj::uint* length) {
  inner_->getsockopt(level, option, value, length);
}

} // namespace foreshift::door
