// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/telemetry/kernel_files.hpp"
#include "core/telemetry/proc_text.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace foreshift {

/// One look at a host; fields as in HostSample of schemas/telemetry.capnp. A field whose source is
/// in `missing` is 0 and means nothing.
struct host_sample {
  double cpu_share = 0;
  std::uint32_t cores = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_free_bytes = 0;
  double load1 = 0;
  std::uint64_t net_rx_bytes = 0; ///< Per second, as the next three.
  std::uint64_t net_tx_bytes = 0;
  std::uint64_t disk_read_bytes = 0;
  std::uint64_t disk_write_bytes = 0;
  std::vector<std::string> missing; ///< "proc/stat"; "proc/stat (no earlier sample)" for its rates.
};

/// Samples the host it runs on. Rates are since the previous call, so the first has none. One
/// thread.
class host_sampler {
public:
  explicit host_sampler(std::string root = "/") : files_(std::move(root)) {}

  /// `now_ns` of a monotonic clock.
  host_sample sample(std::int64_t now_ns);

private:
  struct totals {
    std::int64_t at_ns = 0;
    std::optional<cpu_times> cpu;
    std::optional<byte_totals> net;
    std::optional<byte_totals> disk;
  };

  kernel_files files_;
  std::optional<totals> before_;
};

} // namespace foreshift
