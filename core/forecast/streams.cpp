// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/streams.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace foreshift {

namespace {

constexpr std::size_t streams_max = 64;
// A queue of 32 requests reorders: one may come so many request sizes early or late.
constexpr std::uint64_t early_requests = 16;
constexpr std::uint64_t late_requests = 32;
constexpr std::uint32_t steps_min = 8;
constexpr std::uint64_t span_bytes_min = 1u << 20;
constexpr std::int64_t forget_ms = 600'000;
constexpr double speed_memory_ms = 120'000;
constexpr std::uint64_t sane_bytes = std::uint64_t{1} << 62;
constexpr std::int64_t sane_ms = std::int64_t{1} << 60;
constexpr double advanced_max = 1e18;
constexpr std::uint32_t requests_max = 1u << 24;

} // namespace

bool stream::confirmed() const {
  return steps >= steps_min && span >= span_bytes_min && bytes >= span - span / 3;
}

double stream::speed(std::int64_t now_ms) const {
  auto age_ms = std::max(1000.0, static_cast<double>(now_ms - first_ms));
  auto idle_ms = std::max(0.0, static_cast<double>(now_ms - last_ms));
  auto now = static_cast<double>(advanced) * std::exp(-idle_ms / speed_memory_ms);
  // What a steady stream of this age would have: the decayed sum is young, too.
  return now * 1000 / (speed_memory_ms * (1 - std::exp(-age_ms / speed_memory_ms)));
}

double stream::alive(std::int64_t now_ms) const {
  auto idle_ms = std::max(0.0, static_cast<double>(now_ms - last_ms));
  auto gap_ms = static_cast<double>(last_ms - first_ms) / std::max(1u, requests);
  return std::exp2(-idle_ms / (5000 + 8 * gap_ms));
}

bool stream_tracker::observe(const access& x) {
  if (x.bytes == 0 || x.offset > sane_bytes)
    return false;
  auto behind = late_requests * x.bytes;
  auto reach = behind + early_requests * x.bytes;
  auto found = std::find_if(streams_.begin(), streams_.end(), [&](const stream& s) {
    return x.offset - s.next + behind <= reach; // wraps around when far behind
  });
  std::uint64_t end = x.offset + x.bytes;
  if (found == streams_.end()) {
    replaceable(x.at_ms) = {.next = end,
                            .bytes = x.bytes,
                            .first_ms = x.at_ms,
                            .last_ms = x.at_ms,
                            .requests = 1,
                            .writes = x.write};
    return false;
  }
  found->used = 1;
  ++found->requests;
  found->writes += x.write;
  if (end > found->next) {
    auto step = end - found->next;
    auto whole = std::min<std::uint64_t>(step, x.bytes);
    auto passed = std::max(0.0, static_cast<double>(x.at_ms - found->last_ms));
    auto kept = static_cast<double>(found->advanced) * std::exp(-passed / speed_memory_ms);
    found->advanced = static_cast<std::uint64_t>(std::min(kept, advanced_max)) + step;
    found->bytes += whole;
    found->holes = std::min<std::uint64_t>(found->holes + step - whole, early_requests * x.bytes);
    found->next = end;
    found->span += step;
    ++found->steps;
    found->last_ms = std::max(found->last_ms, x.at_ms);
  } else {
    auto filled = std::min<std::uint64_t>(found->holes, x.bytes);
    found->bytes += filled;
    found->holes -= filled;
  }
  if (found->requests > requests_max) { // also lets a long run's habits change
    found->requests /= 2;
    found->writes /= 2;
    found->steps /= 2;
    found->bytes /= 2;
    found->span /= 2;
    found->first_ms += (found->last_ms - found->first_ms) / 2;
  }
  return found->confirmed();
}

stream& stream_tracker::replaceable(std::int64_t now_ms) {
  if (streams_.size() < streams_max)
    return streams_.emplace_back();
  // What is no run yet goes, unless it was used since the hand last came by; if all are runs, the
  // one idle for longest.
  for (std::size_t i = 0; i < 2 * streams_.size(); ++i) {
    hand_ = (hand_ + 1) % streams_.size();
    auto& candidate = streams_[hand_];
    auto used = std::exchange(candidate.used, 0u) != 0;
    auto dead = candidate.last_ms < now_ms - forget_ms || candidate.alive(now_ms) < 0.01;
    if (dead || !(used || candidate.confirmed()))
      return candidate;
  }
  return *std::min_element(streams_.begin(), streams_.end(),
                           [](auto& a, auto& b) { return a.last_ms < b.last_ms; });
}

bool stream_tracker::load(byte_reader& in) {
  streams_ = in.get_all<stream>(streams_max);
  hand_ = 0;
  for (auto& each : streams_)
    in.require(each.span <= sane_bytes && each.bytes <= sane_bytes && each.holes <= sane_bytes
               && each.advanced <= sane_bytes && each.requests > 0 && each.writes <= each.requests
               && each.first_ms <= each.last_ms && each.first_ms >= -sane_ms
               && each.last_ms <= sane_ms);
  return in.ok();
}

} // namespace foreshift
