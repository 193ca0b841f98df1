// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/trial.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace foreshift {

trial::trial(std::int64_t end_ms, std::span<const std::uint32_t> extents,
             const level_columns& levels, std::span<const std::uint32_t> picks, std::size_t budget,
             std::size_t rows_max)
    : end_ms_(end_ms) {
  auto parts = std::uint32_t{1};
  while (extents.size() / parts > rows_max)
    parts *= 2;
  sample_mask_ = parts - 1;
  budget_ = std::max(1.0, static_cast<double>(budget) / parts);
  std::vector<std::uint32_t> taken;
  for (std::uint32_t i = 0; i < extents.size(); ++i)
    if (sampled(extents[i])) {
      taken.push_back(i);
      extents_.push_back(extents[i]);
      rows_.push_back({.picks = picks[i]});
    }
  FORESHIFT_ENSURE(index_.rebuild(extents_));
  candidates_ = taken.size();
  for (auto& column : levels) {
    auto& to = levels_.emplace_back();
    to.reserve(taken.size());
    for (auto i : taken)
      to.push_back(column[i]);
  }
}

bool trial::sampled(std::uint32_t extent) const {
  return (static_cast<std::uint32_t>((extent * 0xd6e8feb86659fd93ull) >> 33) & sample_mask_) == 0;
}

void trial::count(const extent_table& table, std::span<const window_count> counts) {
  for (auto& each : counts) {
    auto extent = table.extents()[each.slot];
    if (!sampled(extent))
      continue;
    auto at = index_.find(extents_, extent);
    if (at == slot_index::none) {
      at = static_cast<std::uint32_t>(extents_.size());
      extents_.push_back(extent);
      index_.added(extents_);
      rows_.emplace_back();
    }
    auto& to = rows_[at];
    to.reads += static_cast<float>(each.reads);
    to.writes += static_cast<float>(each.writes);
    for (std::size_t word = 0; word < to.pages.size(); ++word)
      to.pages[word] |= each.pages[word];
  }
}

/// Sum of the highest, as many as the budget.
double trial::top_sum(std::vector<float> values) const {
  auto count = std::min(values.size(), static_cast<std::size_t>(budget_ + 0.5));
  auto end = values.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(values.begin(), end, values.end(), std::greater<>{});
  return std::accumulate(values.begin(), end, 0.0);
}

double trial::share(const tally& of, const sums& best) {
  auto distinct = static_cast<double>(count_pages(of.pages));
  return 0.5 * ((of.reads + of.writes) / best.accesses + distinct / best.distinct);
}

trial::outcome trial::finish(std::size_t arms) const {
  outcome out;
  std::vector<float> accesses, distinct;
  sums best;
  for (auto& each : rows_) {
    accesses.push_back(each.reads + each.writes);
    distinct.push_back(static_cast<float>(count_pages(each.pages)));
    best.reads += each.reads;
    best.writes += each.writes;
  }
  auto& judged = out.judged;
  judged.arms.resize(arms);
  judged.covers.resize(arms);
  judged.accesses = best.reads + best.writes;
  if (judged.accesses <= 0)
    return out;
  judged.read_share = best.reads / judged.accesses;
  best.accesses = top_sum(accesses);
  best.distinct = top_sum(distinct);
  judged.oracle = best.accesses / judged.accesses;
  double chosen = 0, idle = 0;
  for (std::size_t i = 0; i < candidates_; ++i) {
    auto& it = rows_[i];
    for (std::size_t arm = 0; arm < arms; ++arm)
      if ((it.picks >> arm & 1) != 0) {
        judged.arms[arm] += share(it, best);
        judged.covers[arm] += accesses[i] / judged.accesses;
      }
    if ((it.picks >> (arms - 1) & 1) != 0) {
      ++chosen;
      idle += accesses[i] == 0;
    }
  }
  judged.wasted = chosen > 0 ? idle / chosen : 0;
  out.learnt = learn(best);
  return out;
}

/// Candidates that nobody chose and nothing touched are many and alike: one in 16 stands for all.
bool trial::worth_learning(std::size_t row) const {
  auto& it = rows_[row];
  auto draw = (extents_[row] + static_cast<std::uint32_t>(end_ms_ / 1000)) * 0x9e3779b1u;
  return it.reads + it.writes > 0 || it.picks != 0 || draw >> 28 == 0;
}

lesson trial::learn(const trial::sums& best) const {
  lesson out;
  out.end_ms = end_ms_;
  auto scale = [&](double all) { return static_cast<float>(all > 0 ? budget_ / all : 0); };
  std::vector<std::uint32_t> taken;
  for (std::uint32_t i = 0; i < candidates_; ++i) {
    if (!worth_learning(i))
      continue;
    taken.push_back(i);
    out.extents.push_back(extents_[i]);
    auto& it = rows_[i];
    auto idle = it.reads + it.writes == 0 && it.picks == 0;
    out.total.push_back(static_cast<float>(share(it, best) * budget_));
    out.reads.push_back(it.reads * scale(best.reads));
    out.writes.push_back(it.writes * scale(best.writes));
    out.stands_for.push_back(idle ? 16 : 1);
  }
  for (auto& column : levels_) {
    auto& to = out.levels.emplace_back();
    to.reserve(taken.size());
    for (auto i : taken)
      to.push_back(column[i]);
  }
  return out;
}

} // namespace foreshift
