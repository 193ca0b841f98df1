// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/affinity/affinity.hpp"
#include "core/codec/packet.hpp"
#include "schemas/plan.capnp.h"

#include <cstdint>
#include <string>
#include <vector>

namespace foreshift {

struct plan_request {
  std::string to;                            ///< Destination host.
  std::uint64_t budget_bytes = 4ull << 30;   ///< At most so much is moved.
  std::uint64_t rate_bytes = 64u << 20;      ///< Per second, for the expected duration.
  double gain_min = 0.5;                     ///< Expected accesses an extent must have to be worth moving.
  std::uint64_t expected_flip_us = 0;
};

/// Extents to copy, one source and destination, in the order to do it (best value per byte first).
struct planned_move {
  std::string from;
  std::string to;
  std::vector<std::uint32_t> extents;
  double accesses = 0;
  double bytes_expected = 0;
  std::string reason;
};

struct left_out {
  std::vector<std::uint32_t> extents;
  double accesses = 0;
  std::string reason; ///< "already there", "beyond the budget", "too cold to pay", "host full".
};

struct plan {
  std::vector<planned_move> moves;
  std::vector<left_out> left;
  std::uint64_t bytes = 0;
  coverage before, after;
  double next_budget_gain = 0; ///< Coverage of accesses that another 64 MiB would add.
  std::string note;            ///< "no beneficial move", "no forecast yet", or empty.
};

/// Which hot extents to copy to `request.to`, by value per byte (predicted accesses x latency saved),
/// within budget and capacity. Pure and deterministic. Unknown or down destination is the caller's
/// check; a full one yields a plan with `left` "host full".
plan make_plan(const volume_view& volume, const std::vector<host_view>& hosts,
               const plan_request& request);

/// As the API shows it: extents folded into ranges.
packet<schema::Plan> encode(const plan& x, const volume_shape& shape, const plan_request& request,
                            std::uint64_t id, std::int64_t at_ms);

/// Surplus replicas that may go: of each extent with more replicas than the factor, the hosts with the
/// least pull, never `keep`. Result: host -> extents.
std::vector<std::pair<std::string, std::vector<std::uint32_t>>>
surplus_to_retire(const placement_map& placement, const std::vector<host_view>& hosts,
                  std::string_view keep);

} // namespace foreshift
