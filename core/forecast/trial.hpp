// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/calibration.hpp"
#include "core/forecast/expert.hpp"
#include "core/forecast/slot_index.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

/// How the choices of one decision did, as shares of the clairvoyant choice.
struct verdict {
  std::vector<double> arms;   ///< Mean of the shares of accesses and of distinct pages.
  std::vector<double> covers; ///< Share of all accesses that fell into the arm's choice.
  double oracle = 0;          ///< Share of all accesses that the clairvoyant choice covers.
  double accesses = 0;        ///< Pages, of the sample.
  double read_share = 0;
  double wasted = 0; ///< Share of the last arm's extents that nothing touched.
};

/// One decision and what came after it: levels and picks of the candidates when it was made, pages
/// touched since. Of many candidates an even sample by hash, so that memory is bounded. One thread.
class trial {
public:
  /// `extents`: all candidates; `picks`: per candidate one bit for each arm that chose it.
  trial(std::int64_t end_ms, std::span<const std::uint32_t> extents, const level_columns& levels,
        std::span<const std::uint32_t> picks, std::size_t budget, std::size_t rows_max);

  std::int64_t end_ms() const { return end_ms_; }

  // What its maker wants to remember.
  double promised = 0; ///< Share of accesses the choice was expected to cover.
  double moved = 0;    ///< Share of the choice that is new.

  void count(const extent_table& table, std::span<const window_count> counts);

  struct outcome {
    verdict judged;
    lesson learnt;
  };
  /// For so many arms. Nothing is learnt when nothing came.
  outcome finish(std::size_t arms) const;

private:
  struct tally {
    float reads = 0;
    float writes = 0;
    page_set pages{};
    std::uint32_t picks = 0;
  };

  bool sampled(std::uint32_t extent) const;
  struct sums { ///< Of the clairvoyant choice; reads and writes of all.
    double accesses = 0;
    double distinct = 0;
    double reads = 0;
    double writes = 0;
  };
  static double share(const tally& of, const sums& best);
  lesson learn(const sums& best) const;
  bool worth_learning(std::size_t row) const;
  double top_sum(std::vector<float> values) const;

  std::int64_t end_ms_;
  std::uint32_t sample_mask_ = 0;
  double budget_;                      ///< Of the sample.
  std::vector<std::uint32_t> extents_; ///< Candidates, then others that were touched.
  slot_index index_;
  std::vector<tally> rows_;
  level_columns levels_; ///< Of candidates only.
  std::size_t candidates_ = 0;
};

} // namespace foreshift
