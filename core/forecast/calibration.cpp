// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/calibration.hpp"

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

constexpr float worth_max = 12;
constexpr double prior = 1; ///< Shares of a budget that say: as before.

} // namespace

calibration::calibration(std::size_t experts, std::span<const std::array<std::uint8_t, 2>> pairs) {
  for (std::uint8_t i = 0; i < experts; ++i)
    parts_.push_back({i, i});
  for (auto [first, second] : pairs)
    parts_.push_back({first, second});
  // Before the first lesson: everyone counts the same, an octave of rank a bit less than halves.
  for (auto& kind : worths_) {
    kind.assign(parts_.size(), {});
    for (std::size_t i = 0; i < experts; ++i)
      for (std::size_t level = 0; level < rank_levels; ++level)
        kind[i][level] = -0.6f * static_cast<float>(level == 0 ? rank_levels : level)
                         / static_cast<float>(experts) * 2;
  }
}

void calibration::learn(std::span<const lesson> lessons) {
  // Each takes up where it left off: they may take turns.
  if (turn_ = !turn_; turn_)
    fit(worths_[0], lessons, &lesson::reads);
  else
    fit(worths_[1], lessons, &lesson::writes);
}

void calibration::fit(worths& to, std::span<const lesson> lessons, std::vector<float> lesson::*of) {
  std::vector<std::vector<float>> expected;
  for (auto& each : lessons) {
    auto& sums = expected.emplace_back(each.rows());
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t row = 0; row < sums.size(); ++row)
        sums[row] += to[p][cell(parts_[p], each.levels, row)];
    for (std::size_t row = 0; row < sums.size(); ++row)
      sums[row] = std::exp(std::min(sums[row], worth_max)) * each.weight * each.stands_for[row];
  }
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    std::array<double, rank_levels * rank_levels> came{}, promised{};
    for (std::size_t l = 0; l < lessons.size(); ++l) {
      auto& each = lessons[l];
      for (std::size_t row = 0; row < each.rows(); ++row) {
        auto at = cell(parts_[p], each.levels, row);
        came[at] += each.weight * (each.*of)[row];
        promised[at] += expected[l][row];
      }
    }
    std::array<float, rank_levels * rank_levels> step{};
    for (std::size_t i = 0; i < cells(parts_[p]); ++i) {
      auto change = std::log((came[i] + prior) / (promised[i] + prior));
      step[i] = static_cast<float>(std::exp(change));
      to[p][i] = std::clamp(to[p][i] + static_cast<float>(change), -worth_max, worth_max);
    }
    for (std::size_t l = 0; l < lessons.size(); ++l)
      for (std::size_t row = 0; row < lessons[l].rows(); ++row)
        expected[l][row] *= step[cell(parts_[p], lessons[l].levels, row)];
  }
}

std::vector<float> calibration::expect(const level_columns& levels, share_kind kind) const {
  auto& worth = worths_[kind == share_kind::reads ? 0 : 1];
  std::vector<float> out(levels.empty() ? 0 : levels.front().size());
  for (std::size_t p = 0; p < parts_.size(); ++p)
    for (std::size_t row = 0; row < out.size(); ++row)
      out[row] += worth[p][cell(parts_[p], levels, row)];
  for (auto& each : out)
    each = std::exp(std::min(each, worth_max));
  return out;
}

void calibration::save(byte_writer& out) const {
  for (auto& kind : worths_)
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t i = 0; i < cells(parts_[p]); ++i)
        out.put(kind[p][i]);
}

void calibration::load(byte_reader& in) {
  for (auto& kind : worths_)
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t i = 0; i < cells(parts_[p]); ++i) {
        kind[p][i] = in.get<float>();
        in.require(kind[p][i] >= -worth_max && kind[p][i] <= worth_max);
      }
}

} // namespace foreshift
