// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"
#include "core/forecast/ranking.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

/// Each expert's level per candidate: `levels[expert][candidate]`.
using level_columns = std::vector<std::vector<std::uint8_t>>;

/// What came of some candidates of one decision: their levels then, and the shares they got since.
struct lesson {
  std::int64_t end_ms = 0; ///< When its outcome was known.
  std::vector<std::uint32_t> extents;
  level_columns levels;
  std::vector<float> total; ///< Share of the clairvoyant choice, times the budget.
  std::vector<float> reads; ///< Shares of all reads, times the budget.
  std::vector<float> writes;
  std::vector<float> stands_for; ///< So many candidates like it.
  float weight = 1;

  std::size_t rows() const { return total.size(); }
};

enum class share_kind : std::uint8_t { total, reads, writes };

/// Turns levels into expected shares: the logarithm of a share is a sum over experts of what each
/// expert's level is worth, fitted to the lessons of late by iterative proportional scaling
/// (Darroch and Ratcliff, 1972), so that experts who say the same count once. One thread.
class calibration {
public:
  /// `pairs`: experts whose levels are also looked at together.
  calibration(std::size_t experts, std::span<const std::array<std::uint8_t, 2>> pairs);

  void learn(std::span<const lesson> lessons);

  /// Expected share per candidate of reads or of writes, in no unit.
  std::vector<float> expect(const level_columns& levels, share_kind kind) const;

  void save(byte_writer& out) const;
  void load(byte_reader& in);

private:
  struct part {
    std::uint8_t first = 0;
    std::uint8_t second = 0; ///< The same as `first` for one expert alone.
  };
  using worths = std::vector<std::array<float, rank_levels * rank_levels>>;

  static std::size_t cells(const part& of) {
    return of.first == of.second ? rank_levels : rank_levels * rank_levels;
  }
  std::size_t cell(const part& of, const level_columns& levels, std::size_t row) const {
    auto first = levels[of.first][row];
    return of.first == of.second ? first : first * rank_levels + levels[of.second][row];
  }
  void fit(worths& to, std::span<const lesson> lessons, std::vector<float> lesson::*of);

  std::vector<part> parts_;
  std::array<worths, 2> worths_; ///< Of reads, of writes; logarithms.
  bool turn_ = false;
};

} // namespace foreshift
