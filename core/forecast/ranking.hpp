// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

/// Levels a score is reduced to: 0 for no score, then by log2 of its rank relative to the budget,
/// the hottest first.
constexpr std::size_t rank_levels = 16;

/// The order of many scores at the price of two passes: a histogram of their floating-point bits,
/// exact to 1/256 of a score. Scores are finite and not negative; zero is no score.
class ranking {
public:
  explicit ranking(std::span<const float> scores);

  /// For each score its level, 0 to 15.
  void levels(std::size_t budget, std::span<std::uint8_t> out) const;

  /// Positions of the `count` highest positive scores, ascending; of nearly equal ones any, but the
  /// same each time.
  std::vector<std::uint32_t> top(std::size_t count) const;

private:
  static std::size_t bin_of(float score);

  std::span<const float> scores_;
  std::vector<std::uint32_t> counts_;
};

} // namespace foreshift
