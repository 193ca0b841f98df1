// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace foreshift {

/// Where requests wait while the lease changes hands. Any thread.
class hold_gate {
public:
  explicit hold_gate(const clock_source& clock) : clock_(clock) {}

  /// Waits until `open()` is true or the clock passes `deadline_ns`; true when open. `open` runs
  /// under the gate's lock, at entry and after every `wake`, and must not block.
  bool wait(std::int64_t deadline_ns, const std::function<bool()>& open);

  /// Makes all waiters look again: the lease changed, or the clock was moved.
  void wake();

  std::uint32_t waiting() const;

private:
  const clock_source& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint32_t waiting_ = 0;
};

} // namespace foreshift
