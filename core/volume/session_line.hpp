// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/extent/fence_gate.hpp"

#include <cstdint>
#include <mutex>
#include <optional>

namespace foreshift {

/// All sessions of one holder's link at a partition host. A holder that does not know what became
/// of a request (no answer, a lost connection, its own restart) goes on with sessions of a higher
/// number: the first of them waits for what the older ones are still doing, and ends them. So no
/// request takes effect after one that was sent later. Any thread.
class session_line {
public:
  /// Opens a session; returns when no request of a lower number is being carried out. `refused`
  /// when a higher number was seen.
  result<void> open(std::uint64_t number) {
    std::lock_guard lock{mutex_};
    if (number < number_)
      return fault{errc::refused, "the holder has begun later sessions"};
    if (number == number_)
      return {};
    number_ = number;
    gate_.close();
    gate_.open(number);
    return {};
  }

  /// Held by a request while it is carried out; nothing when the session has been superseded.
  std::optional<fence_gate::pass> enter(std::uint64_t number) noexcept {
    return gate_.enter(number);
  }

private:
  std::mutex mutex_;
  std::uint64_t number_ = 0;
  fence_gate gate_;
};

} // namespace foreshift
