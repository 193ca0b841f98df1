// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schemas/telemetry.capnp.h"

#include <array>
#include <atomic>
#include <cstdint>

namespace foreshift {

/// Latencies by powers of two: bucket i counts [2^i, 2^(i+1)) eighths of a microsecond; bucket 0
/// also takes everything shorter, the last everything longer. Any thread.
class latency_histogram {
public:
  static constexpr std::uint32_t buckets = 32;

  static std::uint32_t bucket_of(std::int64_t ns);
  void add(std::int64_t ns) { counts_[bucket_of(ns)].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t count(std::uint32_t bucket) const {
    return counts_[bucket].load(std::memory_order_relaxed);
  }

private:
  std::array<std::atomic<std::uint64_t>, buckets> counts_{};
};

/// Totals of one direction of I/O since start. Any thread.
struct io_counters {
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> read_bytes{0};
  std::atomic<std::uint64_t> write_bytes{0};
  std::atomic<std::uint64_t> flushes{0};
  std::atomic<std::uint64_t> errors{0};
  std::atomic<std::int64_t> busy_ns{0}; ///< Sum of the times of reads and writes.
  latency_histogram read_latency;
  latency_histogram write_latency;

  void note_read(std::uint64_t bytes, std::int64_t took_ns);
  void note_write(std::uint64_t bytes, std::int64_t took_ns);
  void fill(schema::IoCounters::Builder out) const;
};

} // namespace foreshift
