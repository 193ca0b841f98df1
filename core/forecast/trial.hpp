// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/expert.hpp"
#include "core/forecast/merge.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace foreshift {

/// One evaluation window: which extents each expert put on top when it began, and how many accesses
/// they got since. The picks are bits in the table, so that counting costs a few operations per
/// touched extent. One thread.
class expert_trial {
public:
  explicit expert_trial(std::size_t experts);

  /// Forgets what was and notes each expert's `budget` hottest.
  void begin(extent_table& table, std::span<const std::uint32_t> beyond,
             std::span<const heat_scores> scores, std::size_t budget);

  /// Picks of an extent that had no slot when the trial began.
  std::uint32_t picks_of(std::uint32_t extent) const;

  void count(const extent_table& table, std::span<const window_count> counts);

  double reads() const { return reads_; }
  double writes() const { return writes_; }
  std::vector<verdict> verdicts() const;

  void save(byte_writer& out) const;
  void load(byte_reader& in);

private:
  struct tally {
    double promised_reads = 0;
    double promised_writes = 0;
    double hit_reads = 0;
    double hit_writes = 0;
  };

  std::vector<tally> tallies_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> beyond_; ///< Extent and picks, ascending.
  double reads_ = 0;
  double writes_ = 0;
};

} // namespace foreshift
