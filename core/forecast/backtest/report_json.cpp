// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/report_json.hpp"

#include <nlohmann/json.hpp>

namespace foreshift {

namespace {

using json = nlohmann::ordered_json; // NaN becomes null

json after_flip(const coverage_of<double>& share) {
  json out = json::object();
  for (std::size_t i = 0; i < flip_seconds.size(); ++i)
    out[std::to_string(flip_seconds[i])] = share.early[i];
  return out;
}

json shares(const arm_report& x) {
  return {{"access", x.share.access},
          {"distinct", x.share.distinct},
          {"reads", {{"access", x.share.read_access}, {"distinct", x.share.read_distinct}}},
          {"after_flip", after_flip(x.share)}};
}

json arm(const arm_report& x) {
  auto out = shares(x);
  out["of_oracle_access"] = x.of_oracle.access;
  out["of_oracle_distinct"] = x.of_oracle.distinct;
  out["reads"]["of_oracle_access"] = x.of_oracle.read_access;
  out["reads"]["of_oracle_distinct"] = x.of_oracle.read_distinct;
  out["moved"] = x.moved;
  out["cost"] = {{"decision_us", x.decision_us}, {"extent_ns", x.extent_ns}};
  return out;
}

} // namespace

std::string to_json(const backtest_report& report, std::uint64_t peak_memory_bytes) {
  auto& counts = report.counts;
  json arms = json::object();
  for (auto& each : report.arms)
    arms[each.name] = arm(each);
  json out{{"trace", report.trace},
           {"format", to_string(counts.format)},
           {"volumes", counts.volumes.size()},
           {"requests", counts.requests},
           {"skipped", counts.skipped},
           {"reordered", counts.reordered},
           {"duration_s", static_cast<double>(report.length_us) / 1e6},
           {"page_accesses", report.page_accesses},
           {"extents", report.extents},
           {"budget_extents", report.budget_extents},
           {"decisions", report.decisions},
           {"idle", report.idle},
           {"first_decision_s", report.first_decision_s},
           {"oracle", shares(report.oracle)},
           {"arms", std::move(arms)},
           {"cost", {{"observe_ns", report.observe_ns}, {"peak_memory_bytes", peak_memory_bytes}}}};
  constexpr int indent = 2;
  return out.dump(indent, ' ', false, json::error_handler_t::replace);
}

} // namespace foreshift
