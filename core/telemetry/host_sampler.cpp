// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/host_sampler.hpp"

namespace foreshift {

namespace {

std::optional<double> busy_share(const cpu_times& before, const cpu_times& now) {
  if (now.total_ticks <= before.total_ticks || now.idle_ticks < before.idle_ticks)
    return std::nullopt;
  auto total = static_cast<double>(now.total_ticks - before.total_ticks);
  auto idle = static_cast<double>(now.idle_ticks - before.idle_ticks);
  return idle <= total ? std::optional{1 - idle / total} : std::nullopt;
}

/// Fills two rates; false when they cannot be known.
bool rates(const std::optional<byte_totals>& before, const byte_totals& now, std::int64_t span_ns,
           std::uint64_t& in, std::uint64_t& out) {
  if (!before)
    return false;
  auto in_rate = rate_between(before->in, now.in, span_ns);
  auto out_rate = rate_between(before->out, now.out, span_ns);
  if (!in_rate || !out_rate)
    return false;
  in = static_cast<std::uint64_t>(*in_rate);
  out = static_cast<std::uint64_t>(*out_rate);
  return true;
}

} // namespace

host_sample host_sampler::sample(std::int64_t now_ns) {
  host_sample out;
  sample_round round(files_, out.missing);
  totals now{now_ns, round.read("proc/stat", parse_proc_stat), {}, {}};
  auto before = before_.value_or(totals{now_ns, {}, {}, {}});
  auto span_ns = now_ns - before.at_ns;
  if (now.cpu) {
    out.cores = now.cpu->cores;
    auto share = before.cpu ? busy_share(*before.cpu, *now.cpu) : std::nullopt;
    out.cpu_share = share.value_or(0);
    if (!share)
      round.miss("proc/stat (no earlier sample)");
  }
  if (auto memory = round.read("proc/meminfo", parse_meminfo)) {
    out.memory_bytes = memory->total_bytes;
    out.memory_free_bytes = memory->available_bytes;
  }
  out.load1 = round.read("proc/loadavg", parse_loadavg).value_or(0);
  now.net = round.read("proc/net/dev", parse_net_dev);
  if (now.net && !rates(before.net, *now.net, span_ns, out.net_rx_bytes, out.net_tx_bytes))
    round.miss("proc/net/dev (no earlier sample)");
  now.disk = round.read("proc/diskstats", parse_diskstats);
  if (now.disk
      && !rates(before.disk, *now.disk, span_ns, out.disk_read_bytes, out.disk_write_bytes))
    round.miss("proc/diskstats (no earlier sample)");
  before_ = now;
  return out;
}

} // namespace foreshift
