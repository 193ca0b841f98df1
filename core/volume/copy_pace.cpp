// SPDX-License-Identifier: Apache-2.0
#include "core/volume/copy_pace.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr std::chrono::nanoseconds look_again = std::chrono::milliseconds{10};

} // namespace

copy_pace::copy_pace(slowdown_options options, slowdown_pacer::totals guests,
                     const clock_source& clock)
    : guests_(std::move(guests)), clock_(clock), pacer_(options, clock.monotonic_ns()) {}

void copy_pace::yield(std::uint64_t bytes) {
  std::unique_lock lock{mutex_};
  auto now_ns = clock_.monotonic_ns();
  auto until_ns = now_ns + pacer_.take(static_cast<double>(bytes), guests_, now_ns).count();
  while (now_ns < until_ns && !stopping_) {
    ended_.wait_for(lock, std::min(std::chrono::nanoseconds{until_ns - now_ns}, look_again));
    now_ns = clock_.monotonic_ns();
    if (pacer_.unlimited(guests_, now_ns))
      return;
  }
}

void copy_pace::stop() {
  std::lock_guard lock{mutex_};
  stopping_ = true;
  ended_.notify_all();
}

} // namespace foreshift
