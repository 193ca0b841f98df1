// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/calibration.hpp"
#include "core/forecast/forest.hpp"
#include "core/forecast/ledger.hpp"
#include "core/forecast/trial.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace foreshift {

/// What every outlook judges at one moment.
struct candidates {
  std::vector<std::uint32_t> extents; ///< Those with a slot by slot, then the others.
  std::vector<std::vector<float>> scores;
  level_columns levels;
  std::vector<std::uint32_t> picks; ///< Bit i: expert i has it among its hottest.
};

struct outlook_options {
  std::uint32_t horizon_ms = 0;
  std::uint32_t interval_ms = 0; ///< Between trials; they may overlap.
  std::size_t rows_max = 1u << 15;
  std::uint64_t seed = 1;
};

/// The calibrated merge for one horizon. Every expert is an arm; so are a table of what each
/// expert's levels were worth lately (`table`), boosted trees (`trees`) and the geometric mean of
/// both and of the LSTM (`blend`). A guard follows the arm whose choices did best lately, the blend
/// unless another is clearly better and long enough judged. One thread.
class outlook {
public:
  outlook(const outlook_options& options, std::vector<std::string> experts,
          std::vector<bool> ranks);

  std::uint32_t horizon_ms() const { return options_.horizon_ms; }
  bool due(std::int64_t now_ms) const { return now_ms >= next_ms_; }

  /// Begins a trial of the arms' choices and of `chosen` (positions), the one that counts.
  void start(std::int64_t now_ms, const candidates& now, std::span<const std::uint32_t> chosen,
             std::size_t budget);

  void count(const extent_table& table, std::span<const window_count> counts);

  /// Fits the merge to the lessons, if new ones have come since it was fitted last. The most
  /// expensive part of all; false when there was nothing to do.
  bool study();

  /// Judges the trials that ended; `each(lesson)` gets what they teach.
  void advance(std::int64_t now_ms, const std::function<void(const lesson&)>& each);

  /// Expected share per candidate, in no unit, as the leading arm sees it.
  std::vector<float> expect(const candidates& now) const;
  std::vector<float> expect(const candidates& now, share_kind kind) const;

  /// Expected share by what each expert's levels were worth lately, experts weighed by record.
  std::vector<float> by_table(const level_columns& levels) const;
  /// Expected share as a merged arm sees it: `table`, `trees` or `blend`.
  std::vector<float> by_arm(const std::string& arm, const candidates& now) const;

  const ledger& records() const { return ledger_; }
  /// Mean share of the clairvoyant choice per arm, lately.
  const std::vector<double>& arms() const { return arms_; }
  const std::vector<std::string>& names() const { return names_; }
  std::size_t lead() const;
  /// Of an arm among `names`.
  std::size_t place_of(const std::string& arm) const {
    return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), arm) - names_.begin());
  }

  void save(byte_writer& out) const;
  void load(byte_reader& in);

private:
  double verdicts_apart() const;
  float vote_of_lstm() const;
  std::vector<float> first_guess(const candidates& now) const;
  double promise(const candidates& now, std::span<const std::uint32_t> chosen) const;
  double renew(const candidates& now, std::span<const std::uint32_t> chosen);
  void learn(trial::outcome result);
  void thin_out();

  outlook_options options_;
  std::vector<std::string> names_; ///< Experts, then the merged arms.
  std::vector<bool> ranks_;
  calibration fit_;
  forest trees_;
  std::vector<std::array<float, rank_levels>> table_; ///< Decayed mean share per expert and level.
  std::vector<double> arms_;
  double judged_ = 0; ///< Decayed number of verdicts.
  std::deque<trial> trials_;
  std::vector<lesson> lessons_;
  int unfitted_ = 0; ///< Lessons since the last fit.
  bool fit_due_ = false;
  double read_share_ = 0.5;           ///< Of accesses, lately.
  std::vector<std::uint32_t> chosen_; ///< The last choice, ascending.
  std::int64_t next_ms_ = std::numeric_limits<std::int64_t>::min();
  ledger ledger_;
};

} // namespace foreshift
