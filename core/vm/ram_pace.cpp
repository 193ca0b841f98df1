// SPDX-License-Identifier: Apache-2.0
#include "core/vm/ram_pace.hpp"

#include <algorithm>
#include <utility>

namespace foreshift {

namespace {

constexpr std::uint64_t quiet_requests_min = 16; ///< To know how long one usually takes.
constexpr std::uint64_t requests_min = 2;        ///< To judge; of a guest that crawls few end.
constexpr std::int64_t window_min_us = 80'000;
constexpr int filling_windows = 1;   ///< The first bytes only fill buffers.
constexpr double step = 0.1;         ///< Of the link: how the limit grows.
constexpr double least_share = 0.25; ///< Of the link.
constexpr double shrink_max = 0.5;
constexpr double dirty_margin = 2;
constexpr double better = 0.9; ///< A limit must bring the slowdown below this share of before,
constexpr int trial_looks = 3; ///< after so many looks.
constexpr int futile_looks = 20;

double each_ns(foreground_totals from, foreground_totals to) {
  auto n = to.requests - from.requests;
  return n == 0 ? 0 : static_cast<double>(to.busy_ns - from.busy_ns) / static_cast<double>(n);
}

} // namespace

void ram_pace::quiet(foreground_totals guest) {
  if (!quiet_first_)
    quiet_first_ = guest;
  quiet_last_ = guest;
}

/// By the looks before the stream, or where they saw too little, since its QEMU started.
double ram_pace::usual_ns() const {
  if (!quiet_last_)
    return 0;
  bool enough = quiet_last_->requests - quiet_first_->requests >= quiet_requests_min;
  return each_ns(enough ? *quiet_first_ : foreground_totals{}, *quiet_last_);
}

double ram_pace::ceiling() const {
  auto most = static_cast<double>(options_.bandwidth_max);
  return most > 0 ? std::min(most, link_) : link_;
}

double ram_pace::least(const ram_look& now) const {
  return std::min(ceiling(), std::max(least_share * link_,
                                      dirty_margin * static_cast<double>(now.dirty_bytes)));
}

double ram_pace::shrunk(double slowdown, double rate) const {
  auto from = limit_ > 0 ? std::min(limit_, rate) : rate;
  return from * std::max(shrink_max, (1 + options_.tolerated) / slowdown);
}

std::optional<std::uint64_t> ram_pace::set(double limit) {
  if (limit == limit_)
    return std::nullopt;
  limit_ = limit;
  if (limit == 0)
    limited_looks_ = 0;
  return limit > 0 ? static_cast<std::uint64_t>(limit) : options_.bandwidth_max;
}

std::optional<std::uint64_t> ram_pace::look(const ram_look& now) {
  if (!last_ || now.sent_bytes < last_->sent_bytes) {
    last_ = now;
    judged_ = now.guest;
    return std::nullopt;
  }
  auto span_us = now.now_us - last_->now_us;
  if (span_us < window_min_us)
    return std::nullopt;
  auto before = *std::exchange(last_, now);
  if (++windows_ <= filling_windows)
    return std::nullopt;
  auto rate =
      static_cast<double>(now.sent_bytes - before.sent_bytes) * 1e6 / static_cast<double>(span_us);
  link_ = std::max(link_, rate);
  auto usual = usual_ns();
  bool active = now.guest.requests - judged_.requests >= requests_min && usual > 0;
  auto slowdown = active ? each_ns(judged_, now.guest) / usual : 1.0;
  // Too few to judge: together with what ends later.
  if (!active && now.guest.requests != judged_.requests && usual > 0)
    return std::nullopt;
  judged_ = now.guest;
  if (idle_looks_ > 0 && --idle_looks_ > 0)
    return std::nullopt;
  limited_looks_ += limit_ > 0 ? 1 : 0;
  if (slowdown <= 1 + options_.tolerated) {
    auto grown = limit_ + step * link_;
    return limit_ == 0 ? std::nullopt : set(grown < ceiling() ? grown : 0);
  }
  if (limit_ == 0)
    slowdown_free_ = slowdown;
  if (limited_looks_ >= trial_looks && slowdown > better * slowdown_free_) {
    idle_looks_ = futile_looks;
    return set(0);
  }
  return set(std::max(shrunk(slowdown, rate), least(now)));
}

} // namespace foreshift
