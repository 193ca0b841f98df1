// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace foreshift::qmp {

/// What QEMU has counted for one drive since it started.
struct drive {
  std::string volume; ///< Export name of the NBD server it is connected to.
  std::uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
  std::uint64_t read_ns = 0, write_ns = 0; ///< Spent in them, summed.

  friend bool operator==(const drive&, const drive&) = default;
};

/// The drives that are NBD exports, from the answers to query-block and query-blockstats. Whatever
/// is not as QEMU 7.2 says it is left out.
std::vector<drive> drives_of(const nlohmann::json& blocks, const nlohmann::json& stats);

/// Export name in a file name as QEMU prints it: "nbd+unix:///vm1?socket=/run/nbd.sock",
/// "nbd://host/vm1", or a json: object; empty if it is none.
std::string export_in(const std::string& file);

/// From the answer to query-dirty-rate: bytes a second; 0 while it is not measured.
std::uint64_t dirty_bytes_in(const nlohmann::json& answer);

} // namespace foreshift::qmp
