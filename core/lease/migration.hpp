// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace foreshift::lease {

/// Batches of one volume that may be in flight at once: one copies while the other commits.
inline constexpr unsigned batches_max = 2;

/// What a migration knows when it decides its next step.
struct migration_view {
  double coverage = 0; ///< Of predicted accesses, resident at the destination now.
  double gate = 0.9;
  bool preposition = true;
  bool forecast_known = false;   ///< A forecast has arrived ...
  double accesses_expected = 0;  ///< ... and expects so many accesses; 0: an idle volume.
  bool moves_left = false;       ///< The plan has something to copy that is not already in flight.
  bool destination_full = false; ///< The plan left hot extents out for lack of space there.
  unsigned batches = 0;          ///< In flight.
  std::optional<fault> batch_fault; ///< Why the last batch failed, unless one succeeded since.
  unsigned faults_in_row = 0;
  std::chrono::milliseconds elapsed{0};
  std::chrono::milliseconds timeout{60'000};
  bool canceled = false;
};

struct migration_step {
  enum class kind { copy, wait, flip, stop } what = kind::wait;
  std::optional<fault> why; ///< With `stop`.
};

/// How long to wait for a first forecast before migrating without one: a lost predictor must cost
/// predictions and nothing else.
inline constexpr std::chrono::milliseconds forecast_grace{5000};

/// Decides what a migration does next. Pure.
migration_step next_step(const migration_view& now);

} // namespace foreshift::lease
