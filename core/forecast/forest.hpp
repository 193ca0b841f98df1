// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/calibration.hpp"

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace foreshift {

/// Turns levels into an expected share by gradient-boosted trees with the Poisson loss: the
/// logarithm of the share is a sum over trees. Every tree asks six questions "is this expert's
/// level beyond that one" and has a leaf for each combination of answers (oblivious trees; Kohavi
/// and Li, IJCAI'95), so that many rows are answered with vector instructions. Each tree is grown
/// on half of the rows and some of the columns (Friedman, 2002). One thread.
class forest {
public:
  forest(std::size_t columns, std::uint64_t seed) : columns_(columns), bits_(seed) {}

  /// Lets the oldest trees go for new ones, grown on these lessons.
  void learn(std::span<const lesson> lessons);

  /// Expected share per candidate, times the budget.
  std::vector<float> expect(const level_columns& levels) const;

  bool empty() const { return trees_.empty(); }

  void save(byte_writer& out) const;
  void load(byte_reader& in);

private:
  static constexpr std::size_t depth = 6;
  static constexpr std::size_t leaves = std::size_t{1} << depth;

  struct tree {
    std::array<std::uint8_t, depth> column{};
    std::array<std::uint8_t, depth> cut{}; ///< Yes: the level is colder than this.
    std::array<float, leaves> worth{};     ///< By the answers, the first in bit 0.
  };
  struct rows; ///< Of all lessons, side by side.

  tree grow(const rows& from);
  static void add(std::span<const tree> trees, std::span<const std::uint8_t* const> levels,
                  std::span<float> out);

  std::size_t columns_;
  std::mt19937_64 bits_;
  float base_ = -4; ///< Logarithm of the mean share.
  std::vector<tree> trees_;
};

} // namespace foreshift
