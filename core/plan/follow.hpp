// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/planner.hpp"
#include "core/volume/volume_policy.hpp"

#include <cstdint>
#include <vector>

namespace foreshift {

struct follow_request {
  plan_request plan; ///< `to`: where the volume is attached; `budget_bytes`: of this round.
  follow_rule rule = follow_rule::EXPECTED;
  std::vector<std::uint32_t> missed; ///< What clients read from elsewhere of late, latest first.
  bool fresh = false;                ///< The lease came only now: every miss counts.
  bool trickle = false;              ///< What nobody expects to be used may go on now.
};

struct follow_round {
  std::vector<planned_move> moves; ///< In the order to do them.
  bool cold = false;               ///< They are what nobody expects to be used.
};

/// What comes next to the host that a volume is attached at. Demand misses first: soon after a flip
/// all of them, later those that are expected to be used again (`plan.gain_min`); then what is
/// expected to be used, best value per byte first; and by the rule `all`, when nothing of that is
/// left, the rest by number. Nothing by the rule `none`. Pure.
follow_round follow(const volume_view& volume, const std::vector<host_view>& hosts,
                    const follow_request& request);

} // namespace foreshift
