// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/latency_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace foreshift {

std::uint64_t latency_counts::total() const {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

double latency_counts::percentile_us(double share) const {
  constexpr double units_per_us = 1000.0 / latency_unit_ns;
  auto rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(total());
  double below = 0;
  double reached = 0;
  for (std::size_t i = 0; i < latency_buckets; ++i) {
    auto count = static_cast<double>(buckets[i]);
    if (count == 0)
      continue;
    auto low = i == 0 ? 0.0 : std::ldexp(1.0, static_cast<int>(i));
    auto high = std::ldexp(1.0, static_cast<int>(i) + 1);
    if (below + count >= rank)
      return (low + (high - low) * std::max(0.0, rank - below) / count) / units_per_us;
    below += count;
    reached = high / units_per_us;
  }
  return reached;
}

latency_counts& latency_counts::operator+=(const latency_counts& other) {
  for (std::size_t i = 0; i < latency_buckets; ++i)
    buckets[i] += other.buckets[i];
  return *this;
}

latency_counts operator-(const latency_counts& now, const latency_counts& before) {
  latency_counts out;
  for (std::size_t i = 0; i < latency_buckets; ++i)
    out.buckets[i] =
        now.buckets[i] >= before.buckets[i] ? now.buckets[i] - before.buckets[i] : now.buckets[i];
  return out;
}

latency_counts latency_counts_of(std::span<const std::uint64_t> buckets) {
  latency_counts out;
  for (std::size_t i = 0; i < buckets.size(); ++i)
    out.buckets[std::min(i, latency_buckets - 1)] += buckets[i];
  return out;
}

latency_counts latency_histogram::snapshot() const noexcept {
  latency_counts out;
  for (std::size_t i = 0; i < latency_buckets; ++i)
    out.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
  return out;
}

} // namespace foreshift
