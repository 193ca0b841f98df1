// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace foreshift {

namespace {

/// `act(out, of x, of y)` for each measure.
template <class Out, class X, class Y, class Act>
void each_measure(coverage_of<Out>& out, const coverage_of<X>& x, const coverage_of<Y>& y,
                  Act act) {
  act(out.access, x.access, y.access);
  act(out.distinct, x.distinct, y.distinct);
  act(out.read_access, x.read_access, y.read_access);
  act(out.read_distinct, x.read_distinct, y.read_distinct);
  for (std::size_t i = 0; i < out.early.size(); ++i)
    act(out.early[i], x.early[i], y.early[i]);
}

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

} // namespace

backtest_scores::backtest_scores(const backtest_options& options, std::uint64_t budget)
    : budget_(budget), flips_(0), tally_(options.extent_bytes) {
  oracle_.report.name = "oracle";
  while (flips_ < flip_seconds.size() && flip_seconds[flips_] * 1000 <= options.horizon_ms)
    ++flips_;
}

void backtest_scores::add_arm(const std::string& name) {
  arms_.emplace_back().report.name = name;
}

void backtest_scores::choose(std::size_t at, std::vector<std::uint32_t> extents) {
  extents.resize(std::min<std::size_t>(extents.size(), budget_));
  std::sort(extents.begin(), extents.end());
  FORESHIFT_ENSURE(std::adjacent_find(extents.begin(), extents.end()) == extents.end());
  auto& to = arms_[at];
  if (decisions_ > 0)
    for (auto each : extents)
      to.moved += !std::binary_search(to.chosen.begin(), to.chosen.end(), each);
  to.chosen = std::move(extents);
}

void backtest_scores::note_cost(std::size_t at, std::int64_t cpu_ns, std::uint64_t extents) {
  arms_[at].cost_ns += cpu_ns;
  arms_[at].extents += extents;
  cost_ns_ += cpu_ns;
}

void backtest_scores::add_shares(arm& to, const page_counts& hit) {
  each_measure(to.sum, hit, tally_.total(),
               [](double& sum, auto part, auto whole) { sum += share_of(part, whole); });
  auto& all = tally_.total();
  constexpr auto none = std::numeric_limits<double>::quiet_NaN();
  to.report.curve.push_back(
      static_cast<float>(all.access > 0 ? share_of(hit.access, all.access) : none));
  to.report.curve_distinct.push_back(
      static_cast<float>(all.distinct > 0 ? share_of(hit.distinct, all.distinct) : none));
}

void backtest_scores::end_horizon() {
  ++decisions_;
  auto& all = tally_.total();
  idle_ += all.access == 0;
  each_measure(scored_, all, all, [](auto& count, auto whole, auto) { count += whole > 0; });
  for (auto& each : arms_)
    add_shares(each, tally_.within(each.chosen));
  add_shares(oracle_, tally_.best(budget_));
  tally_.clear();
}

void backtest_scores::finish(arm_report& out, const arm& from) const {
  out = from.report;
  constexpr auto none = std::numeric_limits<double>::quiet_NaN();
  each_measure(out.share, from.sum, scored_, [](double& mean, double sum, auto count) {
    mean = count > 0 ? sum / static_cast<double>(count) : none;
  });
  each_measure(out.of_oracle, from.sum, oracle_.sum, [](double& share, double part, double whole) {
    share = whole > 0 ? part / whole : none;
  });
  for (std::size_t i = flips_; i < flip_seconds.size(); ++i)
    out.share.early[i] = out.of_oracle.early[i] = none;
  auto decisions = static_cast<double>(decisions_);
  out.moved = decisions > 1
                  ? static_cast<double>(from.moved) / (decisions - 1) / static_cast<double>(budget_)
                  : 0;
  out.decision_us = static_cast<double>(from.cost_ns) / decisions / 1000;
  out.extent_ns =
      from.extents > 0 ? static_cast<double>(from.cost_ns) / static_cast<double>(from.extents) : 0;
}

backtest_report backtest_scores::report() const {
  backtest_report out;
  out.decisions = decisions_;
  out.idle = idle_;
  finish(out.oracle, oracle_);
  for (auto& each : arms_)
    finish(out.arms.emplace_back(), each);
  return out;
}

} // namespace foreshift
