// SPDX-License-Identifier: Apache-2.0
#include "core/volume/copy_pace.hpp"

namespace foreshift {

copy_pace::copy_pace(slowdown_options options, slowdown_pacer::totals guests,
                     const clock_source& clock)
    : guests_(std::move(guests)), clock_(clock), pacer_(options, clock.monotonic_ns()) {}

void copy_pace::yield(std::uint64_t bytes) {
  std::unique_lock lock{mutex_};
  auto wait = pacer_.take(static_cast<double>(bytes), guests_, clock_.monotonic_ns());
  if (wait.count() > 0)
    ended_.wait_for(lock, wait, [this] { return stopping_; });
}

void copy_pace::stop() {
  std::lock_guard lock{mutex_};
  stopping_ = true;
  ended_.notify_all();
}

} // namespace foreshift
