// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/ranking.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace foreshift {

namespace {

constexpr std::size_t bins = 1u << 16;

// Upper ends of levels 1 to 14, in budgets; level 15 is the rest.
constexpr std::array<double, rank_levels - 2> ends{1.0 / 16, 1.0 / 8, 1.0 / 4, 0.5, 0.7, 1,  1.4,
                                                   2,        2.8,     4,       8,   16,  32, 64};

} // namespace

std::size_t ranking::bin_of(float score) {
  return score > 0 ? std::bit_cast<std::uint32_t>(score) >> 15 : 0;
}

ranking::ranking(std::span<const float> scores) : scores_(scores), counts_(bins) {
  for (auto score : scores)
    ++counts_[bin_of(score)];
}

void ranking::levels(std::size_t budget, std::span<std::uint8_t> out) const {
  std::vector<std::uint8_t> level_of(bins);
  double above = 0;
  std::uint8_t level = 1;
  for (std::size_t bin = bins - 1; bin > 0; --bin) {
    if (counts_[bin] == 0)
      continue;
    auto middle =
        (above + counts_[bin] / 2.0) / static_cast<double>(std::max<std::size_t>(1, budget));
    while (level < rank_levels - 1 && middle > ends[level - 1u])
      ++level;
    level_of[bin] = level;
    above += counts_[bin];
  }
  for (std::size_t i = 0; i < scores_.size(); ++i)
    out[i] = level_of[bin_of(scores_[i])];
}

std::vector<std::uint32_t> ranking::top(std::size_t count) const {
  std::size_t last = bins, left = count;
  while (last > 1 && counts_[last - 1] <= left)
    left -= counts_[--last];
  // All in bins from `last` on, and `left` of the bin below: every so-manieth, spread evenly.
  auto part = last > 1 ? last - 1 : 0;
  std::vector<std::uint32_t> out;
  std::uint64_t seen = 0;
  for (std::uint32_t i = 0; i < scores_.size(); ++i) {
    auto bin = bin_of(scores_[i]);
    if (bin == 0 || bin < part)
      continue;
    if (bin == part) {
      auto all = std::uint64_t{counts_[part]};
      auto taken = seen * left / all != (seen + 1) * left / all;
      ++seen;
      if (!taken)
        continue;
    }
    out.push_back(i);
  }
  return out;
}

} // namespace foreshift
