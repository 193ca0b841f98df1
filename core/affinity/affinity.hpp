// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/forecaster.hpp"
#include "core/volume/placement.hpp"

#include <xtensor/xtensor.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

/// score[v][h] = sum of p_v(e) over extents e resident on h / sum of p_v(e), with p_v(e) the
/// predicted accesses (specification: Data Affinity Score). An extent with several replicas counts
/// at each. What a forecast expects of extents it does not list (its coldest) counts at home: a
/// share replicas / homes at each home host. Extents past the volume's end are on no host.
/// Shape: volumes x hosts, 0..1. A row without a forecast, or with nothing expected, is 0.
xt::xtensor<double, 2> affinity_scores(const std::vector<volume_view>& volumes,
                                       const std::vector<host_view>& hosts);

/// pull[v][h]: how well h would serve v's current, announced or requested compute host, 0..1.
///  - 0 for a host that is down;
///  - with a target: 1 on it, 0.95 on the current compute host (the VCI is about to leave it);
///    without one: 1 on the compute host;
///  - elsewhere distance x latency x headroom: distance 0.6 in the zone of the target (else of the
///    compute) host, 0.4 outside it; latency 1000 us / (1000 us + read_p50_us); `headroom`;
///  - without compute and target: headroom alone.
xt::xtensor<double, 2> affinity_pulls(const std::vector<volume_view>& volumes,
                                      const std::vector<host_view>& hosts);

/// Share of predicted accesses (and of predicted distinct bytes, listed extents only) resident at
/// `host`; 0 when nothing is expected.
struct coverage {
  double accesses = 0;
  double bytes = 0;
};
coverage coverage_at(const forecast& expected, const placement_map& placement,
                     std::string_view host);

} // namespace foreshift
