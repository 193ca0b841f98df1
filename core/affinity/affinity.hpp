// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/forecaster.hpp"
#include "core/volume/placement.hpp"

#include <xtensor/xtensor.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace foreshift {

/// What is known of a host as a place for extents and for reading them.
struct host_view {
  std::string name;
  std::string zone;
  bool up = true;
  double cpu_share = 0;              ///< 0..1 busy.
  double read_p50_us = 0;            ///< Of its storage service; 0: not measured yet.
  std::uint64_t free_bytes = 0;      ///< What new copies may use.
  std::uint64_t total_bytes = 0;
};

struct volume_view {
  const placement_map* placement = nullptr;
  const forecast* expected = nullptr; ///< Null: no forecast yet; its row scores 0.
  std::string compute;               ///< Host the VCI runs on; empty: none.
  std::string target;                ///< Announced or requested next compute host; empty: none.
};

/// score[v][h] = sum of p_v(e) over extents e resident on h / sum of p_v(e), with p_v(e) the predicted
/// accesses (specification: Data Affinity Score). An extent with several replicas counts at each.
/// Shape: volumes x hosts, 0..1.
xt::xtensor<double, 2> affinity_scores(const std::vector<volume_view>& volumes,
                                       const std::vector<host_view>& hosts);

/// pull[v][h]: how well h would serve v's current, announced or requested compute host: 1 on that host
/// itself; else less by distance (zone), measured latency and headroom. 0 for a host that is down.
xt::xtensor<double, 2> affinity_pulls(const std::vector<volume_view>& volumes,
                                      const std::vector<host_view>& hosts);

/// Share of predicted accesses (and of predicted distinct bytes) resident at `host`.
struct coverage {
  double accesses = 0;
  double bytes = 0;
};
coverage coverage_at(const forecast& expected, const placement_map& placement,
                     std::string_view host);

} // namespace foreshift
