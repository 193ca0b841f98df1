// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/engine.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

namespace foreshift {

namespace {

// What is needed right after a move counts beside the main horizon.
constexpr std::array near_horizons{std::pair{10'000u, 0.3}, std::pair{60'000u, 0.5}};
constexpr float loyalty = 1.7f;   ///< A newcomer must be so many times as useful as an incumbent.
constexpr double given_up = 0.02; ///< Of the expected use, for fewer moves.

constexpr std::size_t beyond_max = 1u << 16;

void levels_of_property(std::span<const float> values, std::span<std::uint8_t> out) {
  constexpr float steps = rank_levels - 1;
  for (std::size_t i = 0; i < values.size(); ++i)
    out[i] = static_cast<std::uint8_t>(std::min(steps, values[i] * steps + 1));
}

std::vector<std::uint32_t> hottest_first(std::vector<std::uint32_t> places,
                                         std::span<const float> values) {
  std::sort(places.begin(), places.end(),
            [&](auto a, auto b) { return values[a] != values[b] ? values[a] > values[b] : a < b; });
  return places;
}

/// Takes back the moves of a choice that gain least, until `cost_max` of its use is given up.
/// `dropped`: incumbents that were not chosen, hottest first.
void take_back(std::vector<std::uint32_t>& newcomers, std::span<const std::uint32_t> dropped,
               std::span<const float> values, double cost_max) {
  double cost = 0;
  for (std::size_t i = 0; i < std::min(newcomers.size(), dropped.size()); ++i) {
    auto& least = newcomers[newcomers.size() - 1 - i];
    cost += values[least] - values[dropped[i]];
    if (cost > cost_max)
      return;
    least = dropped[i];
  }
}

} // namespace

std::uint32_t forecast_view::place_of(std::uint32_t extent) const {
  if (auto slot = table.find(extent); slot != extent_table::none)
    return slot;
  auto found = std::lower_bound(beyond.begin(), beyond.end(), extent);
  if (found == beyond.end() || *found != extent)
    return extent_table::none;
  return static_cast<std::uint32_t>(table.size()
                                    + static_cast<std::size_t>(found - beyond.begin()));
}

candidates forecast_engine::gather_candidates() const {
  candidates out;
  auto now = view();
  now.order = order_;
  std::vector<std::uint32_t> order;
  if (order_.size() != table_.size()) { // slots came since the last sort
    order.resize(table_.size());
    std::iota(order.begin(), order.end(), 0u);
    auto& extents = table_.extents();
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return extents[a] < extents[b]; });
    now.order = order;
  }
  std::vector<std::uint32_t> beyond;
  for (auto& each : experts_)
    each->propose(now, beyond);
  std::sort(beyond.begin(), beyond.end());
  beyond.erase(std::unique(beyond.begin(), beyond.end()), beyond.end());
  beyond.resize(std::min(beyond.size(), beyond_max));
  now.beyond = beyond;
  out.extents = table_.extents();
  out.extents.insert(out.extents.end(), beyond.begin(), beyond.end());
  out.picks.resize(now.size());
  for (std::size_t i = 0; i < experts_.size(); ++i) {
    std::vector<float> scores(now.size());
    experts_[i]->score(now, scores);
    auto& levels = out.levels.emplace_back(now.size());
    if (experts_[i]->ranks()) {
      ranking ranks(scores);
      ranks.levels(budget(), levels);
      for (auto place : ranks.top(budget()))
        out.picks[place] |= 1u << i;
    } else {
      levels_of_property(scores, levels);
    }
    out.scores.push_back(std::move(scores));
  }
  if (learned_)
    add_learned(out);
  return out;
}

/// The learned arm sees what the others say.
void forecast_engine::add_learned(candidates& to) const {
  std::vector<float> scores(to.extents.size());
  learned_->score(to.levels, now_ms(), scores);
  ranking ranks(scores);
  auto column = to.levels.size();
  ranks.levels(budget(), to.levels.emplace_back(scores.size()));
  for (auto place : ranks.top(budget()))
    to.picks[place] |= 1u << column;
  to.scores.push_back(std::move(scores));
}

/// Worth of each candidate for the main horizon, and a part for what is needed right after a move.
std::vector<float> forecast_engine::usefulness(const candidates& now) const {
  std::vector<float> out(now.extents.size());
  auto add = [&](const outlook& by, double share) {
    auto values = by.expect(now);
    double sum = 0;
    for (auto place : ranking{values}.top(budget()))
      sum += values[place];
    if (sum > 0)
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] += static_cast<float>(share / sum * values[i]);
  };
  auto& main = outlooks_.front();
  add(main, 1);
  for (auto [horizon_ms, share] : near_horizons)
    for (auto& each : outlooks_)
      if (each.horizon_ms() == horizon_ms && horizon_ms < main.horizon_ms())
        add(each, share);
  return out;
}

std::vector<std::uint32_t> forecast_engine::choice(const candidates& now,
                                                   std::span<const std::uint32_t> incumbents,
                                                   std::size_t budget) const {
  auto values = usefulness(now);
  auto top = ranking{values}.top(budget);
  auto sum = std::accumulate(top.begin(), top.end(), 0.0,
                             [&](double so_far, auto place) { return so_far + values[place]; });
  std::vector<std::uint32_t> held;
  auto favoured = values;
  for (std::uint32_t i = 0; i < values.size(); ++i)
    if (std::binary_search(incumbents.begin(), incumbents.end(), now.extents[i])) {
      held.push_back(i);
      favoured[i] *= loyalty;
    }
  auto chosen = ranking{favoured}.top(budget);
  auto without = [](std::span<const std::uint32_t> of, std::span<const std::uint32_t> others) {
    std::vector<std::uint32_t> out;
    std::set_difference(of.begin(), of.end(), others.begin(), others.end(),
                        std::back_inserter(out));
    return out;
  };
  auto fresh = without(chosen, held);
  auto out = without(chosen, fresh);
  auto newcomers = hottest_first(std::move(fresh), values);
  take_back(newcomers, hottest_first(without(held, chosen), values), values, given_up * sum);
  out.insert(out.end(), newcomers.begin(), newcomers.end());
  return hottest_first(std::move(out), favoured);
}

std::vector<std::uint32_t> forecast_engine::choose(std::size_t budget) {
  sort_slots();
  auto now = gather_candidates();
  std::vector<std::uint32_t> out;
  for (auto place : choice(now, held_, budget))
    out.push_back(now.extents[place]);
  held_ = out;
  std::sort(held_.begin(), held_.end());
  return out;
}

/// Classes follow the choice; what leaves the few budgets after it has fallen well below the edge.
std::vector<std::uint32_t> forecast_engine::renew_classes(const candidates& now) {
  constexpr std::size_t warm_budgets = 4;
  auto chosen = choice(now, hot_, budget());
  auto wider = choice(now, warm_, warm_budgets * budget());
  auto extents = [&](const std::vector<std::uint32_t>& places) {
    std::vector<std::uint32_t> out;
    for (auto place : places)
      out.push_back(now.extents[place]);
    std::sort(out.begin(), out.end());
    return out;
  };
  hot_ = extents(chosen);
  warm_ = extents(wider);
  return chosen;
}

std::vector<std::string> forecast_engine::arms() const {
  std::vector<std::string> out;
  for (auto& each : experts_)
    if (each->ranks())
      out.emplace_back(each->name());
  if (learned_)
    out.emplace_back("lstm");
  out.insert(out.end(), {"table", "trees", "blend"});
  return out;
}

std::vector<std::uint32_t> forecast_engine::choose_by(const std::string& arm,
                                                      std::size_t count) const {
  auto now = gather_candidates();
  auto& main = outlooks_.front();
  std::vector<float> values(now.extents.size());
  auto found = main.place_of(arm);
  if (found < now.scores.size())
    values = std::move(now.scores[found]);
  else
    values = main.by_arm(arm, now);
  std::vector<std::uint32_t> out;
  for (auto place : hottest_first(ranking{values}.top(count), values))
    out.push_back(now.extents[place]);
  return out;
}

heat_class forecast_engine::class_of(std::uint32_t extent) const {
  if (std::binary_search(hot_.begin(), hot_.end(), extent))
    return heat_class::hot;
  return std::binary_search(warm_.begin(), warm_.end(), extent) ? heat_class::warm
                                                                : heat_class::cold;
}

double forecast_engine::per_horizon(double decayed_sum, std::uint32_t horizon_ms) const {
  auto decay = std::log(2.0) * options_.window_ms
               / std::max(options_.horizon_ms / 2.0, 5.0 * options_.window_ms);
  auto per_window = decayed_sum * (1 - std::exp(-decay)) / (1 - std::exp(-decay * open_));
  return per_window * horizon_ms / options_.window_ms;
}

forecast forecast_engine::predict(std::size_t extents_max) const {
  return predict(extents_max, outlooks_.front());
}

forecast forecast_engine::predict(std::size_t extents_max, std::uint32_t horizon_ms) const {
  for (auto& each : outlooks_)
    if (each.horizon_ms() == horizon_ms)
      return predict(extents_max, each);
  return {};
}

forecast forecast_engine::predict(std::size_t extents_max, const outlook& by) const {
  forecast out;
  out.horizon_ms = by.horizon_ms();
  out.extents_active = table_.size();
  out.observed_ms = std::uint64_t{open_} * options_.window_ms;
  double all = 0;
  for (auto& name : arms())
    all += by.arms()[by.place_of(name)];
  for (auto& name : arms())
    out.experts.push_back({name, all > 0 ? by.arms()[by.place_of(name)] / all
                                         : 1 / static_cast<double>(arms().size())});
  if (open_ == 0)
    return out;
  out.total_reads = per_horizon(reads_, by.horizon_ms());
  out.total_writes = per_horizon(writes_, by.horizon_ms());
  auto now = gather_candidates();
  auto reads = by.expect(now, share_kind::reads);
  auto writes = by.expect(now, share_kind::writes);
  auto scale = [](std::vector<float>& values, double total) {
    auto sum = std::accumulate(values.begin(), values.end(), 0.0);
    for (auto& each : values)
      each = sum > 0 ? static_cast<float>(each * total / sum) : 0;
  };
  scale(reads, out.total_reads);
  scale(writes, out.total_writes);
  std::vector<float> heat(reads.size());
  for (std::size_t i = 0; i < heat.size(); ++i)
    heat[i] = reads[i] + writes[i] > 1e-6f ? reads[i] + writes[i] : 0;
  for (auto place : hottest_first(ranking{heat}.top(extents_max), heat)) {
    auto known = place < table_.size();
    auto bytes = known ? table_.distinct_bytes(place, heat[place])
                       : std::min(static_cast<float>(options_.extent_bytes),
                                  heat[place] * static_cast<float>(table_.page_bytes()));
    out.extents.push_back(
        {now.extents[place], reads[place], writes[place], bytes, class_of(now.extents[place])});
  }
  return out;
}

std::vector<ledger_report> forecast_engine::ledgers() const {
  std::vector<ledger_report> out;
  for (auto& each : outlooks_) {
    auto& report = out.emplace_back();
    report.horizon_ms = each.horizon_ms();
    report.line = each.records().line();
    report.calibration = each.records().calibration();
    report.lead = each.names()[each.lead()];
    for (std::size_t i = 0; i < each.arms().size(); ++i)
      report.arms.push_back({each.names()[i], each.arms()[i]});
  }
  return out;
}

} // namespace foreshift
