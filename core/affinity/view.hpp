// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/forecast.hpp"
#include "core/volume/placement.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace foreshift {

/// What is known of a host as a place for extents and for reading them.
struct host_view {
  std::string name;
  std::string zone;
  bool up = true;
  double cpu_share = 0;         ///< 0..1 busy.
  double read_p50_us = 0;       ///< Of its storage service; 0: not measured yet.
  std::uint64_t free_bytes = 0; ///< What new copies may use.
  std::uint64_t total_bytes = 0;
};

struct volume_view {
  const placement_map* placement = nullptr;
  const forecast* expected = nullptr; ///< Null: no forecast yet; its row scores 0.
  std::string compute;                ///< Host the VCI runs on; empty: none.
  std::string target;                 ///< Announced or requested next compute host; empty: none.
};

/// Predicted accesses of one extent; 0 for what no forecaster may say (negative, not a number).
double accesses_of(const extent_heat& heat);

/// Sum of p(e) over all extents of a forecast, listed or not: at least the sum of the listed ones.
double accesses_of(const forecast& expected);

/// 0..1: 1 for an idle, empty host, 0.5 for one whose CPU or disk is used up.
double headroom(const host_view& host);

/// Share of predicted accesses (and of predicted distinct bytes, listed extents only) resident at
/// `host`; 0 when nothing is expected.
struct coverage {
  double accesses = 0;
  double bytes = 0;
};
coverage coverage_at(const forecast& expected, const placement_map& placement,
                     std::string_view host);

} // namespace foreshift
