// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/experts.hpp"

namespace foreshift {

std::vector<std::unique_ptr<expert>> make_experts() {
  std::vector<std::unique_ptr<expert>> out;
  out.push_back(make_recency());
  out.push_back(make_decayed_count("frequency", measure::pages, 86'400e3));
  out.push_back(make_decayed_count("ewma_10s", measure::pages, 10e3));
  out.push_back(make_decayed_count("ewma_1m", measure::pages, 60e3));
  out.push_back(make_decayed_count("ewma_5m", measure::pages, 300e3));
  out.push_back(make_decayed_count("ewma_30m", measure::pages, 1800e3));
  out.push_back(make_decayed_count("seen_5m", measure::seen, 300e3));
  out.push_back(make_decayed_count("seen_1h", measure::seen, 3600e3));
  out.push_back(make_decayed_count("fresh_10m", measure::fresh, 600e3));
  out.push_back(make_decayed_count("fresh_2h", measure::fresh, 7200e3));
  out.push_back(make_decayed_count("rest_2m", measure::rest, 120e3));
  out.push_back(make_pace());
  out.push_back(make_run_extension("run_near", 20e3));
  out.push_back(make_run_extension("run", 300e3));
  out.push_back(make_run_extension("run_far", 3600e3));
  out.push_back(make_neighbours());
  out.push_back(make_region("region_16", 8, 120e3));
  out.push_back(make_region("region_64", 32, 900e3));
  out.push_back(make_cohort());
  out.push_back(make_burst());
  out.push_back(make_successors());
  out.push_back(make_daily());
  out.push_back(make_age());
  out.push_back(make_absence());
  out.push_back(make_read_share());
  return out;
}

} // namespace foreshift
