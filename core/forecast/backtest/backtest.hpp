// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/backtest/arm_source.hpp"
#include "core/forecast/backtest/survey.hpp"
#include "core/forecast/backtest/tally.hpp"
#include "core/trace/trace_reader.hpp"

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace foreshift {

using arm_maker = std::function<std::unique_ptr<arm_source>(const forecaster_options&)>;

struct backtest_options {
  trace_options trace;
  std::int64_t span_ms = 7 * 86'400'000ll; ///< Of a trace without times.
  std::uint32_t extent_bytes = 1u << 20;   ///< A multiple of 4 KiB, up to 1 GiB.
  double budget = 0.05; ///< Share of the distinct extents of the whole trace; above 0, at most 1.
  std::uint32_t window_ms = 60'000;
  std::uint32_t horizon_ms = 300'000;
  double train = 0.6;            ///< Decisions begin after this share of the trace's time.
  std::vector<std::string> arms; ///< Those to report; empty: all.
  std::uint64_t seed = 1;
  bool lstm = true;                                 ///< Whether the learned arm takes part.
  std::shared_ptr<const lstm_weights> lstm_start{}; ///< Its first weights; null: those shipped.
  bool heat_map = false;
  std::ostream* picks = nullptr;        ///< CSV `decision,time_s,arm,extent`.
  std::function<std::int64_t()> cpu_ns; ///< CPU time of this thread.
  std::function<void(const char* what, double share)> progress; ///< Share 0..1.
  arm_maker make_arms = make_engine_arms;
};

/// Means over decisions.
struct arm_report {
  std::string name;
  coverage_of<double> share;     ///< Of everything accessed in the horizon.
  coverage_of<double> of_oracle; ///< `share` as a share of the oracle's.
  double moved = 0;              ///< Share of the budget that was not chosen one decision before.
  double decision_us = 0;        ///< CPU time of a decision.
  double extent_ns = 0;          ///< The same per extent known by then.
  std::vector<float> curve;      ///< Access share per decision; NaN without accesses.
  std::vector<float> curve_distinct;
};

/// Page accesses over time (columns) and touched extents in the order of their addresses (rows).
struct heat_grid {
  static constexpr std::size_t columns = 360;
  static constexpr std::size_t rows = 180;
  std::vector<std::uint32_t> counts; ///< Row by row; empty when not wanted.
};

struct backtest_report {
  std::string trace;
  trace_counts counts;
  std::int64_t length_us = 0;
  std::uint64_t page_accesses = 0;
  std::uint64_t extents = 0;
  std::uint32_t extent_bytes = 0;
  double horizon_s = 0;
  std::uint64_t budget_extents = 0;
  std::uint64_t decisions = 0;
  std::uint64_t idle = 0; ///< Of them, without any access in the horizon; they count in no mean.
  double first_decision_s = 0;
  arm_report oracle; ///< For every measure its own clairvoyant choice.
  std::vector<arm_report> arms;
  double observe_ns = 0; ///< CPU time per request to learn from it, reading included.
  heat_grid heat;
};

/// Runs arms over a recorded trace, in two passes: the first tells its extents and length, in the
/// second arms see every request before the decisions after it, and none before. Decisions fall on
/// whole windows since the first request, one each horizon, as long as a whole horizon follows.
///
/// Fails as the reader does; with `invalid` on options that make no sense, and when the trace is
/// too short for one decision.
result<backtest_report> run_backtest(const std::string& path, const backtest_options& options);

} // namespace foreshift
