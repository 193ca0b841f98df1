// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/replicas.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::lease {

/// A host as a place for replicas.
struct replica_host {
  std::string zone; ///< Failure domain; empty: the host itself.
  bool up = false;
  bool draining = false; ///< Gets nothing new.
  std::uint64_t free_bytes = 0;
};
using replica_hosts = std::map<std::string, replica_host>;

/// One move's worth of repair.
struct repair_batch {
  std::string source, destination;
  std::vector<std::uint32_t> extents;
};

/// Extents of one batch that have data to copy, and all of one batch.
inline constexpr std::size_t batch_busy_max = 64;
inline constexpr std::size_t batch_extents_max = 4096;

/// Which of `extents` were changed while a host was out, by what each host in sync noted (nothing:
/// its notes are not complete). An extent that no host with complete notes holds counts as changed.
roaring::Roaring changed_of(const placement_map& map, const roaring::Roaring& extents,
                            const std::map<std::string, std::optional<roaring::Roaring>>& notes);

/// The next batch of what `host` lost and gets back: unchanged extents first, because they cost
/// least. Nothing when no other host that holds some is up.
std::optional<repair_batch> next_return(const placement_map& map, const std::string& host,
                                        const roaring::Roaring& changed,
                                        const replica_hosts& hosts);

/// The next batch of `extents`, which leave `leaving` (or have left it), towards another host: one
/// that holds none of them, is up and not draining, has room, and if possible is in a zone that
/// none of their other replicas is in; then the one with most room. `busy`: those that have data.
/// Fails with `no_space` when no host qualifies, with `unreachable` when no replica can be read.
result<repair_batch> next_elsewhere(const placement_map& map, const roaring::Roaring& extents,
                                    const std::string& leaving, const roaring::Roaring& busy,
                                    const replica_hosts& hosts);

/// Whether everything that `host` shares with other hosts has another one that is up.
bool others_have(const placement_map& map, const std::string& host, const replica_hosts& hosts);

/// Of `extents`, those that `host` may give up: enough others hold them in sync.
roaring::Roaring spare_at(const placement_map& map, const std::string& host,
                          const roaring::Roaring& extents);

} // namespace foreshift::lease
