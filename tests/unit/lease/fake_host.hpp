// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/volume/placement.hpp"
#include "schemas/lease.capnp.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace foreshift::test {

/// A model of one host's agent and data plane: what the protocols may rely on, nothing more.
struct fake_host {
  bool up = true;
  bool forgotten = false; ///< Told to delete the volume; until it is told of it again.
  std::size_t extents_max = 1000;
  std::uint64_t prepared_epoch = 0;
  std::string prepared_holder;
  std::uint64_t fence_epoch = 0;
  std::string fence_holder;
  schema::LeaseState state = schema::LeaseState::NONE;
  std::uint64_t epoch = 0;
  std::optional<placement_map> map;
  std::set<std::uint32_t> replicas;
  std::map<std::uint64_t, std::set<std::uint32_t>> staged;
  std::map<std::uint64_t, bool> pulled;
  struct mirror {
    std::string to;
    std::set<std::uint32_t> extents;
  };
  std::set<std::uint64_t> broken; ///< Moves whose staged copies were here when the process died.
  std::map<std::uint64_t, mirror> mirrored; ///< By move.
  std::map<std::uint32_t, int> data;        ///< What the last write to an extent left here.
  std::map<std::uint64_t, std::set<std::uint32_t>> notes; ///< Watched changes, by version.
  std::string failed;                                     ///< Why its replica answers nothing.
  std::uint64_t doubt = 0;                                ///< It restarted with its machine.
  std::int64_t wall_ms = 0;                               ///< Its clock, when it is examined.
  std::vector<std::uint32_t> missed;                      ///< What its clients read from elsewhere.
  int busy_answers = 0;     ///< So often it will not yield the lease to an implicit flip.
  bool cannot_note = false; ///< Its database is full: a drain is not noted, and not answered.
  std::string deaf_to;      ///< A host whose ports it cannot reach.
};

/// PlaneForget.
inline std::optional<fault> forget_all(fake_host& host) {
  if (host.state == schema::LeaseState::PRIMARY)
    return fault{errc::refused, "it is primary"};
  host = {};
  host.forgotten = true;
  return {};
}

} // namespace foreshift::test
