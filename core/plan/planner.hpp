// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/affinity/view.hpp"
#include "core/codec/packet.hpp"
#include "schemas/plan.capnp.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace foreshift {

struct plan_request {
  std::string to;                          ///< Destination host.
  std::uint64_t budget_bytes = 4ull << 30; ///< At most so much is moved.
  std::uint64_t rate_bytes = 64u << 20;    ///< Per second, for the duration; 0: unlimited.
  double gain_min = 0.5;                   ///< Accesses expected of an extent worth moving.
  std::uint64_t expected_flip_us = 0;
};

/// Ranges an encoded plan lists, of moves and of extents left each.
inline constexpr std::size_t plan_ranges_max = 1000;

/// What the question "and with more budget?" adds.
inline constexpr std::uint64_t next_budget_bytes = 64u << 20;

/// Extents of one move at most.
inline constexpr std::size_t move_extents_max = 64;

/// Extents to copy, one source and destination, in the order to do it (best value per byte first);
/// at most `move_extents_max`.
struct planned_move {
  std::string from;
  std::string to;
  std::vector<std::uint32_t> extents;
  std::vector<double> accesses_each; ///< Expected of each of `extents`.
  double saving_us = 0;              ///< Latency an access saves once the data is at `to`.
  double accesses = 0;
  double bytes_expected = 0;
  std::string reason;
};

/// All extents left where they are for one reason, by extent.
struct left_out {
  std::vector<std::uint32_t> extents;
  std::vector<double> accesses_each;
  double accesses = 0;
  /// "already there", "beyond the budget", "too cold to pay", "host full", "no source up".
  std::string reason;
};

struct plan {
  std::vector<planned_move> moves;
  std::vector<left_out> left;
  std::uint64_t bytes = 0;
  coverage before, after;
  double next_budget_gain = 0; ///< Coverage of accesses that another 64 MiB would add.
  std::string note;            ///< "no beneficial move", "no forecast yet", or empty.
};

/// Which hot extents to copy to `request.to`, by value per byte (predicted accesses x latency
/// saved), within budget and capacity. Pure and deterministic. Reads and writes count alike: after
/// a flip both can be local. An access saves the network's round trip (more out of the zone) and
/// what the source's storage is slower than the destination's. The source is the replica with most
/// headroom among those that are up. Unknown or down destination is the caller's check; a full one
/// yields a plan with `left` "host full".
plan make_plan(const volume_view& volume, const std::vector<host_view>& hosts,
               const plan_request& request);

/// As the API shows it: extents folded into ranges, those with most accesses an extent first.
/// Beyond `plan_ranges_max` moves or left ranges, the rest is one entry that says so.
packet<schema::Plan> encode(const plan& x, const volume_shape& shape, const plan_request& request,
                            std::uint64_t id, std::int64_t at_ms);

/// Surplus replicas that may go: of each extent with more replicas than the factor, the hosts with
/// the least pull for a VCI at `keep` (unknown and down hosts first, then by name), never `keep`
/// itself and never below the factor. Result: host -> extents, both sorted.
std::vector<std::pair<std::string, std::vector<std::uint32_t>>>
surplus_to_retire(const placement_map& placement, const std::vector<host_view>& hosts,
                  std::string_view keep);

} // namespace foreshift
