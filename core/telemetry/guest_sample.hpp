// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace foreshift {

/// What a hypervisor tells of a VM, for one of its volumes; fields as in VciSample of
/// schemas/telemetry.capnp. What its source does not tell is 0 or empty.
struct guest_sample {
  std::string volume; ///< By name: the export its drive is connected to.
  std::string source; ///< qmp or libvirt.
  double reads = 0;   ///< Per second, as the next three.
  double writes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  double read_us = 0; ///< Mean time of a request.
  double write_us = 0;
  std::uint64_t dirty_bytes = 0; ///< Of RAM, per second.
  std::string domain;
  std::string domain_state;
  std::uint64_t memory_bytes = 0;
  double cpu_share = 0; ///< Of one core.

  friend bool operator==(const guest_sample&, const guest_sample&) = default;
};

using guest_samples = std::vector<guest_sample>;

} // namespace foreshift
