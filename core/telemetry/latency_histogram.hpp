// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace foreshift {

inline constexpr std::size_t latency_buckets = 32;
inline constexpr std::int64_t latency_unit_ns = 125; ///< One eighth of a microsecond.

/// How many latencies fell into each power of two: bucket i counts [2^i, 2^(i+1)) units of 1/8 us;
/// the first also what is shorter, the last also what is longer (from 268 s).
struct latency_counts {
  std::array<std::uint64_t, latency_buckets> buckets{};

  std::uint64_t total() const;

  /// The latency in microseconds below which a `share` (0..1) of all counts lies, by linear
  /// interpolation inside its bucket. 0 without counts.
  double percentile_us(double share) const;

  /// Adds what another histogram counted.
  latency_counts& operator+=(const latency_counts& other);

  friend bool operator==(const latency_counts&, const latency_counts&) = default;
};

/// What was counted between two snapshots of one histogram. A bucket that went back (the process
/// restarted) counts from zero.
latency_counts operator-(const latency_counts& now, const latency_counts& before);

/// From a list as it travels: missing buckets are zero, surplus ones go into the last.
latency_counts latency_counts_of(std::span<const std::uint64_t> buckets);

constexpr std::size_t latency_bucket(std::int64_t ns) noexcept {
  auto units = static_cast<std::uint64_t>(ns < 0 ? 0 : ns) / latency_unit_ns;
  auto bucket = static_cast<std::size_t>(std::bit_width(units | 1) - 1);
  return bucket < latency_buckets ? bucket : latency_buckets - 1;
}

/// Counts latencies from any thread without locks. A snapshot taken meanwhile may miss the latest.
class latency_histogram {
public:
  void record(std::int64_t ns) noexcept {
    buckets_[latency_bucket(ns)].fetch_add(1, std::memory_order_relaxed);
  }

  latency_counts snapshot() const noexcept;

private:
  std::array<std::atomic<std::uint64_t>, latency_buckets> buckets_{};
};

} // namespace foreshift
