// SPDX-License-Identifier: Apache-2.0
#include "core/lease/migration.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::lease {

namespace {

constexpr unsigned faults_max = 3;

using kind = migration_step::kind;

migration_step stop(errc code, std::string detail) {
  return {kind::stop, fault{code, std::move(detail)}};
}

} // namespace

migration_step next_step(const migration_view& now) {
  if (now.canceled)
    return stop(errc::canceled, "canceled; the volume stays where it was");
  if (!now.preposition)
    return {kind::flip, {}};
  bool gate_met = now.forecast_known && (now.accesses_expected <= 0 || now.coverage >= now.gate);
  if (gate_met)
    return {kind::flip, {}};
  if (!now.forecast_known)
    return {now.elapsed >= std::min(forecast_grace, now.timeout) ? kind::flip : kind::wait, {}};
  if (now.batch_fault
      && (now.faults_in_row >= faults_max || now.batch_fault->code == errc::no_space
          || now.batch_fault->code == errc::corrupt))
    return {kind::stop, now.batch_fault};
  if (now.elapsed >= now.timeout)
    return stop(errc::timeout,
                fmt::format("coverage reached {:.1f} % of the {:.1f} % asked for within {} s; the "
                            "volume stays where it was",
                            100 * now.coverage, 100 * now.gate,
                            std::chrono::duration<double>(now.timeout).count()));
  if (now.moves_left && now.batches < batches_max)
    return {kind::copy, {}};
  if (now.batches == 0 && !now.moves_left && now.destination_full)
    return stop(errc::no_space,
                fmt::format("the destination has no room for the extents that are hot; coverage "
                            "is {:.1f} % of the {:.1f} % asked for",
                            100 * now.coverage, 100 * now.gate));
  return {kind::wait, {}};
}

} // namespace foreshift::lease
