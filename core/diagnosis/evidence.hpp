// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/records.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/plane.capnp.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::diagnosis {

/// A host as it was found. Times are milliseconds of the coordinator's wall clock.
struct host_evidence {
  lease::host_address address;
  bool up = false;
  bool draining = false;
  std::string version;
  std::optional<packet<schema::PlaneStatus>> plane; ///< Nothing: its data plane did not answer.
  std::string plane_fault;
  std::optional<packet<schema::HostExamined>> examined;
  std::string agent_fault; ///< Why it was not examined.
  std::int64_t asked_ms = 0, answered_ms = 0;
};

/// What a host keeps of a volume (see PlaneInventory).
struct kept {
  roaring::Roaring present, staged, retired, lost;
};

/// Extents whose data one host in sync has and another has not.
struct gap {
  std::string holder, host;
  std::vector<std::uint32_t> extents;
};

struct volume_evidence {
  explicit volume_evidence(lease::volume_facts x) : facts(std::move(x)) {}
  lease::volume_facts facts;
  std::map<std::string, kept> inventories; ///< By host.
  std::vector<gap> gaps;
  bool changed = false; ///< While it was looked at: comparisons would say nothing.
};

struct certificate {
  std::string path, subject, fault;
  std::int64_t begins_ms = 0, ends_ms = 0;
};

/// Everything that the checks look at.
struct evidence {
  std::string version; ///< Of the coordinator.
  std::string tool_version;
  std::int64_t now_ms = 0;
  std::vector<certificate> certificates; ///< The coordinator's.
  std::map<std::string, host_evidence> hosts;
  std::map<std::uint64_t, volume_evidence> volumes;
};

/// A PlaneInventory as sets; `malformed` if it is not of a volume with so many extents.
result<kept> decode(schema::PlaneInventory::Reader in, std::uint64_t extents);

/// Extents with data at one host in sync and none at another, which only their digests can explain:
/// where the holder's is not 0, the other lacks it. At most `extents_max` a pair.
std::vector<gap> possible_gaps(const volume_evidence& x, std::size_t extents_max = 64);

} // namespace foreshift::diagnosis
