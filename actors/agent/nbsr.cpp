// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/nbsr.hpp"

#include "core/telemetry/latency_histogram.hpp"

#include <vector>

namespace foreshift {

namespace {

/// A data plane's counters, summed over its volumes.
struct totals {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  latency_counts read_latency;
  latency_counts write_latency;
};

latency_counts counts(capnp::List<std::uint64_t>::Reader list) {
  std::vector<std::uint64_t> out;
  for (auto x : list)
    out.push_back(x);
  return latency_counts_of(out);
}

void add(totals& to, schema::IoCounters::Reader io) {
  to.reads += io.getReads();
  to.writes += io.getWrites();
  to.read_bytes += io.getReadBytes();
  to.write_bytes += io.getWriteBytes();
}

totals sum(schema::PlaneStatus::Reader status) {
  totals out;
  for (auto volume : status.getVolumes()) {
    add(out, volume.getIo());
    out.read_latency += counts(volume.getIo().getReadLatency());
    out.write_latency += counts(volume.getIo().getWriteLatency());
  }
  add(out, status.getPeerIo());
  return out;
}

double rate(std::uint64_t now, std::uint64_t before, double span_s) {
  // A volume that was forgotten takes its counters with it.
  return now > before ? static_cast<double>(now - before) / span_s : 0;
}

bool same_life(schema::PlaneStatus::Reader a, schema::PlaneStatus::Reader b) {
  return a.getPid() == b.getPid() && a.getStartedMs() == b.getStartedMs();
}

} // namespace

packet<schema::NbsrSample> nbsr_meter::measure(const packet<schema::PlaneStatus>& status,
                                               std::int64_t now_ns) {
  auto x = status.read();
  auto out = packet<schema::NbsrSample>::make([&](auto root) {
    root.setDisk(x.getDisk());
    root.setVolumes(x.getVolumes().size());
    if (!before_ || now_ns <= before_->at_ns || !same_life(before_->status.read(), x))
      return;
    auto span_s = static_cast<double>(now_ns - before_->at_ns) / 1e9;
    auto before = sum(before_->status.read());
    auto now = sum(x);
    root.setReadIops(rate(now.reads, before.reads, span_s));
    root.setWriteIops(rate(now.writes, before.writes, span_s));
    root.setReadBytes(static_cast<std::uint64_t>(rate(now.read_bytes, before.read_bytes, span_s)));
    root.setWriteBytes(
        static_cast<std::uint64_t>(rate(now.write_bytes, before.write_bytes, span_s)));
    auto reads = now.read_latency - before.read_latency;
    root.setReadP50Us(reads.percentile_us(0.5));
    root.setReadP99Us(reads.percentile_us(0.99));
    root.setWriteP99Us((now.write_latency - before.write_latency).percentile_us(0.99));
  });
  before_ = look{status, now_ns};
  return out;
}

} // namespace foreshift
