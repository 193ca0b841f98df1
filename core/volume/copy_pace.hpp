// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/limits/slowdown_pacer.hpp"

#include <condition_variable>
#include <mutex>

namespace foreshift {

/// Makes the copies that this host's data plane serves or stores wait for its guests (I8). Any
/// thread; `yield` blocks.
class copy_pace {
public:
  copy_pace(slowdown_options options, slowdown_pacer::totals guests, const clock_source& clock);

  /// Called before `bytes` of a copy are read or stored.
  void yield(std::uint64_t bytes);

  /// Nobody waits any more.
  void stop();

private:
  const slowdown_pacer::totals guests_;
  const clock_source& clock_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stopping_ = false;
  slowdown_pacer pacer_;
};

} // namespace foreshift
