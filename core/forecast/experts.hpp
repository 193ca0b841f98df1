// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/expert.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace foreshift {

/// What a decayed count counts.
enum class measure {
  pages, ///< Page accesses.
  seen,  ///< Windows with an access: insensitive to bursts.
  fresh, ///< Distinct pages.
  rest   ///< Page accesses that no sequential run explains.
};

/// Counts that lose half their weight every `half_life_ms`: EWMA, and with a very long half-life
/// frequency.
std::unique_ptr<expert> make_decayed_count(std::string name, measure what, double half_life_ms);

/// The more recently touched, the hotter.
std::unique_ptr<expert> make_recency();

/// Comes again at the pace it used to: the mean time between windows with an access, against the
/// time since the last (the idea of LRU-K, O'Neil et al., SIGMOD'93).
std::unique_ptr<expert> make_pace();

/// Property: time since the last access, logarithmic.
std::unique_ptr<expert> make_age();

/// Property: the share of reads in its accesses.
std::unique_ptr<expert> make_read_share();

/// Sequential runs go on: their next extents, seen before or not, as far as their speed carries
/// them in `reach_ms`, and at least 32 MiB.
std::unique_ptr<expert> make_run_extension(std::string name, double reach_ms);

/// What lies beside busy extents.
std::unique_ptr<expert> make_neighbours();

/// What lies in a busy region: all within so many extents on either side count alike.
std::unique_ptr<expert> make_region(std::string name, std::size_t reach, double half_life_ms);

/// Comes back with those that were last used at about the same time: half of what a clairvoyant
/// would fetch after a long absence comes in such groups (a job that runs again, a loop).
std::unique_ptr<expert> make_cohort();

/// Property: how long it was away before it came back last, logarithmic.
std::unique_ptr<expert> make_absence();

/// How much one window brings when it brings something.
std::unique_ptr<expert> make_burst();

/// What used to follow the extents that are in use now: first-order Markov, two successors each.
std::unique_ptr<expert> make_successors();

/// What was used at this hour of former days.
std::unique_ptr<expert> make_daily();

/// All that take part, in a fixed order.
std::vector<std::unique_ptr<expert>> make_experts();

} // namespace foreshift
