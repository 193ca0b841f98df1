// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/backtest/backtest.hpp"

namespace foreshift {

/// Holds what arms chose against what came, horizon after horizon. One thread.
class backtest_scores {
public:
  backtest_scores(const backtest_options& options, std::uint64_t budget);

  void add_arm(const std::string& name);
  const std::string& name(std::size_t at) const { return arms_[at].report.name; }

  /// The arm's choice for the horizon that begins; at most the budget counts.
  void choose(std::size_t arm, std::vector<std::uint32_t> extents);
  void note_cost(std::size_t arm, std::int64_t cpu_ns, std::uint64_t extents);

  void count(const trace_request& x, std::int64_t since_us) { tally_.add(x, since_us); }

  /// Scores every choice against what was counted since the last horizon's end.
  void end_horizon();

  std::int64_t cost_ns() const { return cost_ns_; }
  backtest_report report() const;

private:
  struct arm {
    arm_report report;
    std::vector<std::uint32_t> chosen;
    std::uint64_t moved = 0;
    coverage_of<double> sum;
    std::int64_t cost_ns = 0;
    std::uint64_t extents = 0;
  };
  void add_shares(arm& to, const page_counts& hit);
  void finish(arm_report& out, const arm& from) const;

  std::uint64_t budget_;
  std::size_t flips_; ///< How many of `flip_seconds` lie within a horizon.
  tally tally_;
  std::vector<arm> arms_;
  arm oracle_;
  coverage_of<std::uint64_t> scored_; ///< Decisions that count in each mean.
  std::uint64_t decisions_ = 0;
  std::uint64_t idle_ = 0;
  std::int64_t cost_ns_ = 0;
};

} // namespace foreshift
