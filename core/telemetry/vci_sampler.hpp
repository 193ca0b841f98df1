// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/telemetry/kernel_files.hpp"
#include "core/telemetry/proc_text.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace foreshift {

/// One look at a VCI's process; fields as in VciSample of schemas/telemetry.capnp. A field whose
/// source is in `missing` is 0 and means nothing.
struct vci_sample {
  std::uint32_t pid = 0;
  std::string command;
  double cpu_share = 0; ///< Of one core.
  std::uint64_t rss_bytes = 0;
  std::uint64_t page_faults = 0; ///< Per second, as the next two.
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  std::string cgroup;          ///< Its path in the tree that was read.
  double cgroup_cpu_share = 0; ///< Of one core.
  std::uint64_t cgroup_memory_bytes = 0;
  std::vector<std::string> missing;
};

/// Samples one process and its cgroup (version 2, else 1). Rates are since the previous call, so
/// the first has none. One thread.
class vci_sampler {
public:
  explicit vci_sampler(std::uint32_t pid, std::string root = "/", std::uint32_t ticks_per_s = 100)
      : pid_(pid), ticks_per_s_(ticks_per_s), files_(std::move(root)) {}

  /// `now_ns` of a monotonic clock. `not_found` when the process is gone, also when another one got
  /// its number since the first sample.
  result<vci_sample> sample(std::int64_t now_ns);

private:
  struct totals {
    std::int64_t at_ns = 0;
    process_stat process;
    std::optional<byte_totals> io;
    std::optional<std::uint64_t> cgroup_cpu_us;
  };

  void sample_cgroup(sample_round& round, vci_sample& out, totals& now) const;
  void fill_rates(sample_round& round, vci_sample& out, const totals& now) const;

  std::uint32_t pid_;
  std::uint32_t ticks_per_s_;
  kernel_files files_;
  std::optional<totals> before_;
};

} // namespace foreshift
