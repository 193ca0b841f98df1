// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/affinity/view.hpp"

#include <xtensor/xtensor.hpp>

#include <vector>

namespace foreshift {

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

} // namespace foreshift
