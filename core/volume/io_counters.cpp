// SPDX-License-Identifier: Apache-2.0
#include "core/volume/io_counters.hpp"

#include <algorithm>
#include <bit>

namespace foreshift {

std::uint32_t latency_histogram::bucket_of(std::int64_t ns) {
  auto eighths = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)) / 125;
  auto log2 = eighths == 0 ? 0u : static_cast<std::uint32_t>(std::bit_width(eighths) - 1);
  return std::min(log2, buckets - 1);
}

void io_counters::note_read(std::uint64_t bytes, std::int64_t took_ns) {
  reads.fetch_add(1, std::memory_order_relaxed);
  read_bytes.fetch_add(bytes, std::memory_order_relaxed);
  busy_ns.fetch_add(took_ns, std::memory_order_relaxed);
  read_latency.add(took_ns);
}

void io_counters::note_write(std::uint64_t bytes, std::int64_t took_ns) {
  writes.fetch_add(1, std::memory_order_relaxed);
  write_bytes.fetch_add(bytes, std::memory_order_relaxed);
  busy_ns.fetch_add(took_ns, std::memory_order_relaxed);
  write_latency.add(took_ns);
}

void io_counters::fill(schema::IoCounters::Builder out) const {
  out.setReads(reads.load(std::memory_order_relaxed));
  out.setWrites(writes.load(std::memory_order_relaxed));
  out.setReadBytes(read_bytes.load(std::memory_order_relaxed));
  out.setWriteBytes(write_bytes.load(std::memory_order_relaxed));
  out.setFlushes(flushes.load(std::memory_order_relaxed));
  out.setErrors(errors.load(std::memory_order_relaxed));
  auto read_list = out.initReadLatency(latency_histogram::buckets);
  auto write_list = out.initWriteLatency(latency_histogram::buckets);
  for (std::uint32_t i = 0; i < latency_histogram::buckets; ++i) {
    read_list.set(i, read_latency.count(i));
    write_list.set(i, write_latency.count(i));
  }
}

} // namespace foreshift
