// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/move_pace.hpp"

#include <algorithm>

namespace foreshift {

namespace {

// A quarter of a second's worth may be saved up: smooth for guests, few wake-ups for us.
constexpr double burst_s = 0.25;

aimd_options back_off(const move_pace_options& x) {
  aimd_options out;
  out.rate_max = x.rate_bytes_max;
  out.rate_min = std::min(x.rate_bytes_min, x.rate_bytes_max);
  out.increase = x.rate_bytes_max / 16;
  out.latency_factor = x.latency_factor;
  return out;
}

} // namespace

move_pace::move_pace(move_pace_options options, std::int64_t now_ns)
    : backoff_(back_off(options)),
      bucket_(options.rate_bytes_max, options.rate_bytes_max * burst_s, now_ns) {}

void move_pace::sample(double foreground_p99_us, bool moving, std::int64_t now_ns) {
  backoff_.sample(foreground_p99_us, moving);
  apply(now_ns);
}

void move_pace::allow(std::uint64_t rate_bytes, std::int64_t now_ns) {
  allowed_ = static_cast<double>(rate_bytes);
  apply(now_ns);
}

std::chrono::nanoseconds move_pace::charge(std::uint64_t bytes, std::int64_t now_ns) {
  return bucket_.take(static_cast<double>(bytes), now_ns);
}

void move_pace::apply(std::int64_t now_ns) {
  auto rate = backoff_.rate();
  bucket_.set_rate(allowed_ > 0 ? std::min(rate, allowed_) : rate, now_ns);
}

} // namespace foreshift
