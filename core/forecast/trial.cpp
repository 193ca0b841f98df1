// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/trial.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace foreshift {

namespace {

/// Indexes of the `budget` highest positive scores, in no order; equal ones by index.
std::vector<std::uint32_t> top_of(const std::vector<float>& scores, std::size_t budget) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < scores.size(); ++i)
    if (scores[i] > 0)
      order.push_back(i);
  if (order.size() <= budget)
    return order;
  std::nth_element(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(budget), order.end(),
      [&](auto a, auto b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  order.resize(budget);
  return order;
}

} // namespace

expert_trial::expert_trial(std::size_t experts) : tallies_(experts) {
  FORESHIFT_ENSURE(experts <= 16); // two bits each in `picked_by`
}

void expert_trial::begin(extent_table& table, std::span<const std::uint32_t> beyond,
                         std::span<const heat_scores> scores, std::size_t budget) {
  std::fill(table.picked_by.begin(), table.picked_by.end(), 0);
  std::vector<std::uint32_t> beyond_picks(beyond.size());
  auto pick = [&](const std::vector<float>& values, std::uint32_t bit) {
    double all = 0, top = 0;
    for (auto value : values)
      all += value;
    for (auto i : top_of(values, budget)) {
      top += values[i];
      (i < table.size() ? table.picked_by[i] : beyond_picks[i - table.size()]) |= bit;
    }
    return all > 0 ? top / all : 0;
  };
  reads_ = writes_ = 0;
  for (std::size_t i = 0; i < tallies_.size(); ++i) {
    tallies_[i] = {};
    tallies_[i].promised_reads = pick(scores[i].reads, 1u << (2 * i));
    tallies_[i].promised_writes = pick(scores[i].writes, 2u << (2 * i));
  }
  beyond_.clear();
  for (std::size_t i = 0; i < beyond.size(); ++i)
    if (beyond_picks[i] != 0)
      beyond_.emplace_back(beyond[i], beyond_picks[i]);
}

std::uint32_t expert_trial::picks_of(std::uint32_t extent) const {
  auto found = std::lower_bound(beyond_.begin(), beyond_.end(), std::pair{extent, 0u});
  return found != beyond_.end() && found->first == extent ? found->second : 0;
}

void expert_trial::count(const extent_table& table, std::span<const window_count> counts) {
  for (auto& each : counts) {
    reads_ += each.reads;
    writes_ += each.writes;
    auto picks = table.picked_by[each.slot];
    for (std::size_t i = 0; picks != 0; ++i, picks >>= 2) {
      tallies_[i].hit_reads += (picks & 1) != 0 ? each.reads : 0;
      tallies_[i].hit_writes += (picks & 2) != 0 ? each.writes : 0;
    }
  }
}

std::vector<verdict> expert_trial::verdicts() const {
  std::vector<verdict> out;
  for (auto& each : tallies_)
    out.push_back({each.promised_reads, reads_ > 0 ? each.hit_reads / reads_ : 0,
                   each.promised_writes, writes_ > 0 ? each.hit_writes / writes_ : 0});
  return out;
}

void expert_trial::save(byte_writer& out) const {
  out.put(reads_);
  out.put(writes_);
  for (auto& each : tallies_)
    for (auto value : {each.promised_reads, each.promised_writes, each.hit_reads, each.hit_writes})
      out.put(value);
  std::vector<std::uint32_t> extents, picks;
  for (auto [extent, mask] : beyond_) {
    extents.push_back(extent);
    picks.push_back(mask);
  }
  out.put_all(extents);
  out.put_all(picks);
}

void expert_trial::load(byte_reader& in) {
  reads_ = in.get_amount();
  writes_ = in.get_amount();
  for (auto& each : tallies_) {
    each = {in.get_amount(), in.get_amount(), in.get_amount(), in.get_amount()};
    in.require(each.promised_reads <= 1.001 && each.promised_writes <= 1.001
               && each.hit_reads <= reads_ && each.hit_writes <= writes_);
  }
  constexpr std::uint64_t beyond_max = 1u << 24;
  auto extents = in.get_all<std::uint32_t>(beyond_max);
  auto picks = in.get_column<std::uint32_t>(extents.size());
  beyond_.clear();
  for (std::size_t i = 0; in.ok() && i < extents.size(); ++i) {
    in.require((i == 0 || extents[i - 1] < extents[i])
               && std::uint64_t{picks[i]} >> (2 * tallies_.size()) == 0);
    beyond_.emplace_back(extents[i], picks[i]);
  }
}

} // namespace foreshift
