// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/forest.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace foreshift {

namespace {

constexpr std::size_t trees_max = 96;
constexpr std::size_t trees_a_lesson = 8;
constexpr float rate = 0.12f;
constexpr double prior = 2; ///< Shares of a budget that say: as the trees before.
constexpr float log_max = 5;
constexpr std::size_t block = 1024;

/// Levels from the hottest, 0, to no score, 15.
constexpr std::uint8_t coldness(std::uint8_t level) {
  return static_cast<std::uint8_t>((level + rank_levels - 1) % rank_levels);
}

} // namespace

struct forest::rows {
  std::vector<std::vector<std::uint8_t>> levels; ///< Column by column.
  std::vector<float> share;                      ///< Weighted.
  std::vector<float> weight;
  std::vector<float> logs; ///< What the trees so far say.
  std::size_t size() const { return share.size(); }
};

namespace {

/// `bit` of every leaf: is the level colder than `cut`. Wide instructions where there are any.
__attribute__((target_clones("arch=x86-64-v3", "default"))) void
answer(const std::uint8_t* __restrict levels, std::uint8_t cut, std::uint8_t bit, std::size_t count,
       std::uint8_t* __restrict leaf) {
  for (std::size_t row = 0; row < count; ++row) {
    auto cold = static_cast<std::uint8_t>((levels[row] - 1) & (rank_levels - 1));
    leaf[row] |= cold > cut ? bit : std::uint8_t{0};
  }
}

} // namespace

/// Block by block, so that a block's columns stay cached for all trees.
void forest::add(std::span<const tree> trees, std::span<const std::uint8_t* const> levels,
                 std::span<float> out) {
  std::array<std::uint8_t, block> leaf{};
  for (std::size_t begin = 0; begin < out.size(); begin += block) {
    auto count = std::min(block, out.size() - begin);
    for (auto& by : trees) {
      leaf.fill(0);
      for (std::size_t i = 0; i < depth; ++i)
        answer(levels[by.column[i]] + begin, by.cut[i], static_cast<std::uint8_t>(1u << i), count,
               leaf.data());
      for (std::size_t row = 0; row < count; ++row)
        out[begin + row] += by.worth[leaf[row]];
    }
  }
}

void forest::learn(std::span<const lesson> lessons) {
  rows all;
  all.levels.resize(columns_);
  double shares = 0, weights = 0;
  for (auto& each : lessons) {
    for (std::size_t i = 0; i < columns_; ++i)
      all.levels[i].insert(all.levels[i].end(), each.levels[i].begin(), each.levels[i].end());
    for (std::size_t row = 0; row < each.rows(); ++row) {
      all.share.push_back(each.weight * each.total[row]);
      all.weight.push_back(each.weight * each.stands_for[row]);
      shares += all.share.back();
      weights += all.weight.back();
    }
  }
  if (shares <= 0)
    return;
  auto fresh = trees_.empty() ? trees_max : trees_a_lesson;
  if (trees_.size() + fresh > trees_max)
    trees_.erase(trees_.begin(),
                 trees_.begin() + static_cast<std::ptrdiff_t>(trees_.size() + fresh - trees_max));
  base_ = static_cast<float>(std::log(shares / weights));
  all.logs.assign(all.size(), base_);
  std::vector<const std::uint8_t*> columns;
  for (auto& column : all.levels)
    columns.push_back(column.data());
  add(trees_, columns, all.logs);
  for (std::size_t i = 0; i < fresh; ++i) {
    trees_.push_back(grow(all));
    add({&trees_.back(), 1}, columns, all.logs);
  }
}

forest::tree forest::grow(const rows& from) {
  struct sums {
    float owed = 0; ///< Came less promised.
    float promised = 0;
  };
  std::vector<std::uint32_t> taken;
  std::vector<sums> of;
  auto start = bits_() & 1;
  for (auto row = static_cast<std::uint32_t>(start); row < from.size();
       row += 1 + static_cast<std::uint32_t>(bits_() & 3) % 3) {
    auto promised = from.weight[row] * std::exp(std::min(from.logs[row], log_max));
    taken.push_back(row);
    of.push_back({from.share[row] - promised, promised});
  }
  std::vector<std::uint8_t> asked;
  for (std::uint8_t i = 0; i < columns_; ++i)
    if (bits_() % 2 == 0)
      asked.push_back(i);
  tree out;
  if (asked.empty() || taken.empty())
    return out;
  std::vector<std::uint8_t> leaf(taken.size());
  for (std::size_t level = 0; level < depth; ++level) {
    double best = -1;
    for (auto column : asked) {
      std::array<sums, leaves / 2 * rank_levels> cells{};
      auto& levels = from.levels[column];
      for (std::size_t i = 0; i < taken.size(); ++i) {
        auto& cell = cells[leaf[i] * rank_levels + coldness(levels[taken[i]])];
        cell.owed += of[i].owed;
        cell.promised += of[i].promised;
      }
      std::array<double, rank_levels> gains{};
      for (std::size_t l = 0; l < std::size_t{1} << level; ++l) {
        auto cell = std::span{cells}.subspan(l * rank_levels, rank_levels);
        double owed = 0, promised = 0, left = 0, left_promised = 0;
        for (auto& each : cell) {
          owed += each.owed;
          promised += each.promised;
        }
        for (std::size_t cut = 0; cut + 1 < rank_levels; ++cut) {
          left += cell[cut].owed;
          left_promised += cell[cut].promised;
          auto right = owed - left;
          gains[cut] += left * left / (left_promised + prior)
                        + right * right / (promised - left_promised + prior);
        }
      }
      for (std::uint8_t cut = 0; cut < rank_levels - 1; ++cut)
        if (gains[cut] > best) {
          best = gains[cut];
          out.column[level] = column;
          out.cut[level] = cut;
        }
    }
    auto& levels = from.levels[out.column[level]];
    for (std::size_t i = 0; i < taken.size(); ++i)
      leaf[i] |= static_cast<std::uint8_t>((coldness(levels[taken[i]]) > out.cut[level]) << level);
  }
  std::array<double, leaves> owed{}, promised{};
  for (std::size_t i = 0; i < taken.size(); ++i) {
    owed[leaf[i]] += of[i].owed;
    promised[leaf[i]] += of[i].promised;
  }
  for (std::size_t i = 0; i < leaves; ++i)
    out.worth[i] =
        rate * static_cast<float>(std::clamp(owed[i] / (promised[i] + prior), -3.0, 3.0));
  return out;
}

std::vector<float> forest::expect(const level_columns& levels) const {
  std::vector<float> out(levels.front().size(), base_);
  std::vector<const std::uint8_t*> columns;
  for (auto& column : levels)
    columns.push_back(column.data());
  add(trees_, columns, out);
  for (auto& each : out)
    each = std::exp(std::min(each, log_max));
  return out;
}

void forest::save(byte_writer& out) const {
  out.put(base_);
  out.put(static_cast<std::uint32_t>(trees_.size()));
  for (auto& each : trees_) {
    out.put(each.column);
    out.put(each.cut);
    for (auto value : each.worth)
      out.put(value);
  }
}

void forest::load(byte_reader& in) {
  base_ = in.get<float>();
  in.require(base_ > -40 && base_ < 10);
  auto count = in.get<std::uint32_t>();
  in.require(count <= trees_max);
  trees_.clear();
  for (std::uint32_t i = 0; in.ok() && i < count; ++i) {
    auto& to = trees_.emplace_back();
    to.column = in.get<std::array<std::uint8_t, depth>>();
    to.cut = in.get<std::array<std::uint8_t, depth>>();
    for (auto& value : to.worth) {
      value = in.get<float>();
      in.require(value >= -log_max && value <= log_max);
    }
    for (auto column : to.column)
      in.require(column < columns_);
  }
}

} // namespace foreshift
