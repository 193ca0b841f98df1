// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/vci_sampler.hpp"

namespace foreshift {

namespace {

std::optional<std::uint64_t> parse_cpuacct_us(std::string_view text) {
  auto ns = parse_single_number(text);
  return ns ? std::optional{*ns / 1000} : std::nullopt;
}

} // namespace

result<vci_sample> vci_sampler::sample(std::int64_t now_ns) {
  vci_sample out;
  out.pid = pid_;
  sample_round round(files_, out.missing);
  auto folder = "proc/" + std::to_string(pid_) + "/";
  auto process = round.read(folder + "stat", parse_process_stat);
  if (!process || (before_ && process->start_ticks != before_->process.start_ticks))
    return fault{errc::not_found, "process " + std::to_string(pid_) + " is gone"};
  out.command = process->command;
  totals now{now_ns, *process, {}, {}};
  out.rss_bytes = round.read(folder + "status", parse_process_rss).value_or(0);
  now.io = round.read(folder + "io", parse_process_io);
  sample_cgroup(round, out, now);
  fill_rates(round, out, now);
  before_ = std::move(now);
  return out;
}

void vci_sampler::sample_cgroup(sample_round& round, vci_sample& out, totals& now) const {
  auto path = "proc/" + std::to_string(pid_) + "/cgroup";
  auto groups = round.read(path, parse_process_cgroup);
  if (!groups)
    return;
  // A hybrid system lists both; the controllers are then in the version 1 trees.
  auto by_v1 = !groups->cpu.empty() || !groups->memory.empty();
  out.cgroup = by_v1 ? (groups->memory.empty() ? groups->cpu : groups->memory) : groups->unified;
  auto file = [](std::string tree, const std::string& group, const char* name) {
    return tree + (group == "/" ? "" : group) + "/" + name;
  };
  if (!by_v1) {
    now.cgroup_cpu_us =
        round.read(file("sys/fs/cgroup", groups->unified, "cpu.stat"), parse_cgroup_cpu_us);
    out.cgroup_memory_bytes =
        round.read(file("sys/fs/cgroup", groups->unified, "memory.current"), parse_single_number)
            .value_or(0);
    return;
  }
  if (groups->cpu.empty())
    round.miss(path + " (no cpuacct)");
  else
    now.cgroup_cpu_us =
        round.read(file("sys/fs/cgroup/cpuacct", groups->cpu, "cpuacct.usage"), parse_cpuacct_us);
  if (groups->memory.empty())
    round.miss(path + " (no memory)");
  else
    out.cgroup_memory_bytes =
        round
            .read(file("sys/fs/cgroup/memory", groups->memory, "memory.usage_in_bytes"),
                  parse_single_number)
            .value_or(0);
}

void vci_sampler::fill_rates(sample_round& round, vci_sample& out, const totals& now) const {
  auto span_ns = before_ ? now.at_ns - before_->at_ns : 0;
  auto whole = [](double rate) { return static_cast<std::uint64_t>(rate); };
  std::optional<double> cpu, faults, in, written, group;
  if (before_) {
    cpu = rate_between(before_->process.cpu_ticks, now.process.cpu_ticks, span_ns);
    faults = rate_between(before_->process.page_faults, now.process.page_faults, span_ns);
    if (before_->io && now.io) {
      in = rate_between(before_->io->in, now.io->in, span_ns);
      written = rate_between(before_->io->out, now.io->out, span_ns);
    }
    if (before_->cgroup_cpu_us && now.cgroup_cpu_us)
      group = rate_between(*before_->cgroup_cpu_us, *now.cgroup_cpu_us, span_ns);
  }
  if (cpu && faults) {
    out.cpu_share = *cpu / ticks_per_s_;
    out.page_faults = whole(*faults);
  } else {
    round.miss("stat (no earlier sample)");
  }
  if (in && written) {
    out.read_bytes = whole(*in);
    out.write_bytes = whole(*written);
  } else if (now.io) {
    round.miss("io (no earlier sample)");
  }
  if (group)
    out.cgroup_cpu_share = *group / 1e6;
  else if (now.cgroup_cpu_us)
    round.miss("cgroup cpu (no earlier sample)");
}

} // namespace foreshift
