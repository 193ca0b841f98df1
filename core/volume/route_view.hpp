// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/roaring.hpp"
#include "core/volume/peer_link.hpp"
#include "core/volume/placement.hpp"
#include "schemas/lease.capnp.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace foreshift {

using schema::LeaseState;

/// Home replica set of every partition, hashed once per volume and shared by its views.
struct home_table {
  std::vector<host_set> sets;
  std::vector<std::uint16_t> of_partition;

  static std::shared_ptr<const home_table> make(const volume_shape& shape);
};

/// What a flush of one host must still cover. Writes count up after they are done and before they
/// are acknowledged; a flush notes the count it began with.
struct flush_mark {
  std::atomic<std::uint64_t> written{1}; ///< A new holder assumes that something is unflushed.
  std::atomic<std::uint64_t> flushed{0};
  std::atomic<std::uint64_t> inherited{
      1};                             ///< Up to here somebody else's, still owed to the next flush.
  std::atomic<bool> suspected{false}; ///< Its last request failed: see replica_health.
};

/// How to reach a host: null link means this host itself.
struct host_route {
  std::shared_ptr<peer_link> link;
  std::shared_ptr<flush_mark> mark;
  std::string host{};
  bool in_sync = true; ///< Holds anything; else nothing is asked of it.
  /// Monotonic time up to which the host is known not to have been at a later epoch: see
  /// read_lease.
  std::shared_ptr<std::atomic<std::int64_t>> heard_ns{};
};

/// So long a holder reads without asking the other replicas again whether it still is one. A holder
/// that takes over while a replica is left out, which nobody could fence, waits for longer than
/// that before it serves: then a former holder that only reaches that replica reads no more.
inline constexpr std::chrono::milliseconds read_lease{500};
inline constexpr std::chrono::milliseconds read_lease_over{600}; ///< Clocks may differ in speed.
inline constexpr std::int64_t never_heard_ns = std::numeric_limits<std::int64_t>::min() / 2;

/// Where a set of extents lives, as indexes into `route_view::hosts`.
struct route_set {
  std::vector<std::uint16_t> hosts;   ///< All in-sync replicas.
  std::vector<std::uint16_t> nearest; ///< The same, in the order in which reads try them.
};

/// A move in progress: writes of `extents` also go to `destination`.
struct mirror_route {
  std::uint64_t move = 0;
  std::string destination;
  roaring::Roaring extents;
  host_route route;
};

/// Everything one request needs to know, immutable: a request keeps the view it began with.
struct route_view {
  LeaseState state = LeaseState::NONE;
  std::uint64_t epoch = 0;
  bool recovering =
      false; ///< Restarted as primary; replicas of interrupted writes are not equal yet.
  std::shared_ptr<const placement_map> placement; ///< Null unless standby, primary or draining.

  std::vector<std::string> hosts;
  std::vector<host_route> routes; ///< Per host.
  std::vector<route_set> sets;
  std::shared_ptr<const home_table> homes; ///< Its sets are the first of `sets`.
  std::vector<std::pair<roaring::Roaring, std::uint16_t>> exceptions;
  std::vector<mirror_route> mirrors;
  std::uint32_t extent_bytes = 1;
  std::uint32_t extents_per_partition = 1;

  bool serving() const { return state == LeaseState::PRIMARY && !recovering; }
  bool holding() const {
    return state == LeaseState::STANDBY || state == LeaseState::DRAINING || recovering;
  }

  const route_set& of(std::uint32_t extent) const {
    for (const auto& [extents, set] : exceptions)
      if (extents.contains(extent))
        return sets[set];
    return sets[homes->of_partition[extent / extents_per_partition]];
  }

  /// All hosts were promoted to this epoch after `now_ns`.
  void note_heard(std::int64_t now_ns) const {
    for (const auto& route : routes)
      route.heard_ns->store(now_ns, std::memory_order_relaxed);
  }

  /// Whether `host` is this very host.
  bool is_local(std::uint16_t host) const { return routes[host].link == nullptr; }
};

using host_lookup = std::function<host_route(const std::string& host)>;

/// Resolves a placement map. `self` comes first in every reading order, then the others, rotated by
/// a hash of `self` so that readers spread over the replicas.
route_view make_route_view(LeaseState state, std::uint64_t epoch,
                           std::shared_ptr<const placement_map> placement,
                           std::shared_ptr<const home_table> homes, const std::string& self,
                           const host_lookup& lookup);

} // namespace foreshift
