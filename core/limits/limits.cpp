// SPDX-License-Identifier: Apache-2.0
#include "core/limits/limits.hpp"

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

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

bool token_bucket::full(std::int64_t now_ns) {
  refill(now_ns);
  return tokens_ >= burst_;
}

void token_bucket::refill(std::int64_t now_ns) {
  if (now_ns > last_ns_) {
    tokens_ = std::min(burst_, tokens_ + rate_ * (static_cast<double>(now_ns - last_ns_) / 1e9));
    last_ns_ = now_ns;
  }
  if (rate_ == 0)
    tokens_ = burst_;
}

} // namespace foreshift
