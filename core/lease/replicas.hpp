// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/placement.hpp"

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

namespace foreshift::lease {

/// Every extent of the volume, by the hosts that hold it in sync. Takes time by partitions and
/// replica sets, not by extents.
std::map<host_set, roaring::Roaring> replica_sets(const placement_map& map);

/// Extents that nobody holds in sync but (some of) `hosts`, sorted by name: what would be out of
/// reach without them.
roaring::Roaring held_only_by(const placement_map& map, const host_set& hosts);

/// Whether the map still needs `host`: it holds extents in sync, or has some to give up or to get
/// back.
bool uses(const placement_map& map, std::string_view host);

/// What stopping `host` would do to the volume.
struct stop_effect {
  bool attached = false;      ///< Its clients are there.
  std::uint64_t blocked = 0;  ///< Extents that no other host has in sync.
  std::uint64_t degraded = 0; ///< Extents that would go on with fewer replicas than asked for.
};
stop_effect effect_of_stopping(const placement_map& map, std::string_view holder,
                               std::string_view host);

/// The members of a set, ascending.
std::vector<std::uint32_t> to_vector(const roaring::Roaring& set);

} // namespace foreshift::lease
