// SPDX-License-Identifier: Apache-2.0
#include "core/limits/limits.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

constexpr double baseline_step = 0.1; ///< Share of a new sample in the baseline.
constexpr double wait_max_s = 86'400;

double at_least_zero(double value) {
  return value > 0 ? value : 0; // also turns NaN into 0
}

} // namespace

token_bucket::token_bucket(double rate, double burst, std::int64_t now_ns)
    : rate_(at_least_zero(rate)), burst_(at_least_zero(burst)), tokens_(burst_), last_ns_(now_ns) {}

void token_bucket::set_rate(double rate, std::int64_t now_ns) {
  refill(now_ns);
  rate_ = at_least_zero(rate);
}

std::chrono::nanoseconds token_bucket::take(double amount, std::int64_t now_ns) {
  refill(now_ns);
  if (rate_ == 0)
    return std::chrono::nanoseconds{0};
  tokens_ -= at_least_zero(amount);
  if (tokens_ >= 0)
    return std::chrono::nanoseconds{0};
  auto wait_s = std::min(-tokens_ / rate_, wait_max_s);
  return std::chrono::nanoseconds{static_cast<std::int64_t>(std::ceil(wait_s * 1e9))};
}

void token_bucket::refill(std::int64_t now_ns) {
  if (now_ns > last_ns_) {
    tokens_ = std::min(burst_, tokens_ + rate_ * (static_cast<double>(now_ns - last_ns_) / 1e9));
    last_ns_ = now_ns;
  }
  if (rate_ == 0)
    tokens_ = burst_;
}

aimd::aimd(aimd_options options) : options_(options), rate_(options.rate_max) {
  FORESHIFT_ENSURE(options.rate_min > 0 && options.rate_min <= options.rate_max);
  FORESHIFT_ENSURE(options.increase >= 0);
  FORESHIFT_ENSURE(options.decrease > 0 && options.decrease < 1);
  FORESHIFT_ENSURE(options.latency_factor >= 1);
}

double aimd::sample(double foreground_p99_us, bool background_active) {
  auto p99_us = std::isfinite(foreground_p99_us) ? at_least_zero(foreground_p99_us) : 0;
  auto hurts =
      background_active && baseline_us_ > 0 && p99_us > baseline_us_ * options_.latency_factor;
  rate_ = hurts ? std::max(options_.rate_min, rate_ * options_.decrease)
                : std::min(options_.rate_max, rate_ + options_.increase);
  learn(p99_us, background_active);
  return rate_;
}

void aimd::learn(double foreground_p99_us, bool background_active) {
  if (foreground_p99_us == 0)
    return;
  // The first quiet sample replaces whatever stood in; a stand-in follows the lowest at once.
  auto first = background_active ? baseline_us_ == 0 : !baseline_is_quiet_;
  auto lower = foreground_p99_us < baseline_us_;
  if (first || (lower && !baseline_is_quiet_))
    baseline_us_ = foreground_p99_us;
  else if (lower || !background_active)
    baseline_us_ += baseline_step * (foreground_p99_us - baseline_us_);
  baseline_is_quiet_ = baseline_is_quiet_ || !background_active;
}

} // namespace foreshift
