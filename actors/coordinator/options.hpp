// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace foreshift::control {

/// What operators may set of how the coordinator behaves.
struct policy {
  bool background = true; ///< Balance attached volumes towards their hosts without being asked.
  std::uint64_t budget_bytes = 4ull << 30;     ///< Of one plan.
  std::uint64_t move_rate_bytes = 64ull << 20; ///< Per second, over all moves.
  double background_gain_min = 4; ///< Accesses expected of an extent that the background copies.
  std::chrono::milliseconds hold{10'000}; ///< After a flip the background leaves the volume alone.
  std::chrono::milliseconds report_interval{1000};
  std::chrono::milliseconds forecast_interval{2000};
  std::chrono::milliseconds horizon{60'000};
  std::chrono::milliseconds cycle_interval{1000};
  std::chrono::milliseconds silence_max{5000}; ///< A host that says nothing so long is down.
  std::chrono::milliseconds flip_timeout{10'000};
  std::chrono::milliseconds grace{600'000}; ///< For a lost host to return before it is replaced.
};

} // namespace foreshift::control
