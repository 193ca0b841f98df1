// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/limits/move_limits.hpp"
#include "core/plan/speculation.hpp"
#include "core/volume/volume_policy.hpp"

#include <chrono>
#include <cstdint>

namespace foreshift::control {

/// What operators may set of how the coordinator behaves.
struct policy {
  bool background = true; ///< Balance attached volumes towards their hosts without being asked.
  std::uint64_t budget_bytes = 4ull << 30; ///< Of one plan.
  move_rates rates;                        ///< Of all moves.
  std::uint64_t announced_max = 4; ///< Volumes that are prepared for announced moves at a time.
  speculation_rules speculation;
  double background_gain_min = 4; ///< Accesses expected of an extent that the background copies.
  std::chrono::milliseconds hold{10'000}; ///< After a flip nothing is retired or moved elsewhere.
  follow_rule follow = follow_rule::EXPECTED; ///< What comes to a holder; a volume may say another.
  std::uint64_t trickle_rate_bytes = 8ull << 20; ///< Per second, of what nobody expects to be used.
  std::chrono::milliseconds report_interval{1000};
  std::chrono::milliseconds forecast_interval{2000};
  std::chrono::milliseconds horizon{60'000};
  std::chrono::milliseconds cycle_interval{1000};
  std::chrono::milliseconds silence_max{5000}; ///< A host that says nothing so long is down.
  std::chrono::milliseconds flip_timeout{10'000};
  std::chrono::milliseconds quiet{20};      ///< Of the source's clients, before an implicit flip.
  std::chrono::milliseconds grace{600'000}; ///< For a lost host to return before it is replaced.
};

} // namespace foreshift::control
