// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/streams.hpp"

#include <algorithm>
#include <utility>

namespace foreshift {

namespace {

constexpr std::size_t streams_max = 64;
// A queue of 32 requests reorders: one may come so many request sizes early or late.
constexpr std::uint64_t early_requests = 16;
constexpr std::uint64_t late_requests = 32;
constexpr std::uint32_t steps_min = 8;
constexpr std::uint64_t span_bytes_min = 1u << 20;
constexpr std::int64_t forget_ms = 60'000;
constexpr std::uint64_t sane_bytes = std::uint64_t{1} << 62;
constexpr double speed_max = 1e15; ///< Bytes per second.
constexpr std::uint32_t requests_max = 1u << 24;

} // namespace

bool stream::confirmed() const {
  return steps >= steps_min && span >= span_bytes_min && bytes >= span - span / 3;
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
    replaceable(x.at_ms) = {
        .next = end, .bytes = x.bytes, .last_ms = x.at_ms, .requests = 1, .writes = x.write};
    return false;
  }
  found->used = 1;
  found->last_ms = x.at_ms;
  ++found->requests;
  found->writes += x.write;
  if (end > found->next) {
    auto step = end - found->next;
    found->bytes += std::min<std::uint64_t>(step, x.bytes);
    found->holes += step - std::min<std::uint64_t>(step, x.bytes);
    found->holes = std::min(found->holes, early_requests * x.bytes);
    found->next = end;
    found->span += step;
    found->advanced += step;
    ++found->steps;
  } else {
    auto filled = std::min<std::uint64_t>(found->holes, x.bytes);
    found->bytes += filled;
    found->holes -= filled;
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
    auto used = std::exchange(candidate.used, std::uint16_t{0}) != 0;
    if (candidate.last_ms < now_ms - forget_ms || !(used || candidate.confirmed()))
      return candidate;
  }
  return *std::min_element(streams_.begin(), streams_.end(),
                           [](auto& a, auto& b) { return a.last_ms < b.last_ms; });
}

void stream_tracker::close(std::uint32_t windows, std::uint32_t window_ms) {
  for (auto& each : streams_) {
    auto now = std::min(static_cast<double>(each.advanced) * 1000.0 / window_ms, speed_max);
    auto speed = each.speed == 0 ? now : 0.7 * static_cast<double>(each.speed) + 0.3 * now;
    for (std::uint32_t i = 1; i < std::min(windows, 64u); ++i)
      speed *= 0.7;
    each.speed = static_cast<std::uint64_t>(speed);
    each.advanced = 0;
    if (each.requests > requests_max) { // also lets a long run's habits change
      each.requests /= 2;
      each.writes /= 2;
      each.steps /= 2;
      each.bytes /= 2;
      each.span /= 2;
    }
  }
}

bool stream_tracker::load(byte_reader& in) {
  streams_ = in.get_all<stream>(streams_max);
  hand_ = 0;
  for (auto& each : streams_)
    in.require(each.span <= sane_bytes && each.bytes <= sane_bytes && each.advanced <= sane_bytes
               && each.holes <= sane_bytes && static_cast<double>(each.speed) <= speed_max
               && each.requests > 0 && each.writes <= each.requests);
  return in.ok();
}

} // namespace foreshift
