// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/engine.hpp"

#include "core/forecast/experts.hpp"
#include "core/forecast/growth.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace foreshift {

namespace {

std::uint64_t extents_of(const forecaster_options& options) {
  FORESHIFT_ENSURE(options.extent_bytes >= 4096 && options.extent_bytes <= 1u << 30);
  FORESHIFT_ENSURE(options.window_ms > 0 && options.window_ms <= 86'400'000);
  FORESHIFT_ENSURE(options.horizon_ms > 0 && options.extents_max >= 8);
  constexpr auto all = std::uint64_t{extent_table::none};
  auto whole = options.size_bytes / options.extent_bytes;
  whole += options.size_bytes % options.extent_bytes != 0;
  return options.size_bytes == 0 ? all : std::min(whole, all);
}

/// Times beyond this end, which no clock tells, count as it.
std::int64_t sane_time(std::int64_t at_ms) {
  constexpr auto end_ms = std::int64_t{1} << 59;
  return std::clamp(at_ms, -end_ms, end_ms);
}

std::int64_t window_of(std::int64_t at_ms, std::uint32_t window_ms) {
  auto whole = at_ms / window_ms;
  return at_ms % window_ms < 0 ? whole - 1 : whole;
}

/// Totals forget half in half a horizon, but not faster than in 5 windows.
double total_decay(const forecaster_options& options) {
  return std::log(2.0) * options.window_ms
         / std::max(options.horizon_ms / 2.0, 5.0 * options.window_ms);
}

std::vector<outlook> make_outlooks(const forecaster_options& options,
                                   const std::vector<std::unique_ptr<expert>>& experts) {
  std::vector<std::string> names;
  std::vector<bool> ranks;
  for (auto& each : experts) {
    names.emplace_back(each->name());
    ranks.push_back(each->ranks());
  }
  if (options.lstm) {
    names.emplace_back("lstm");
    ranks.push_back(true);
  }
  std::vector<std::uint32_t> horizons{options.horizon_ms};
  for (auto each : options.more_horizons_ms)
    if (std::find(horizons.begin(), horizons.end(), each) == horizons.end())
      horizons.push_back(each);
  std::vector<outlook> out;
  for (auto horizon : horizons) {
    auto main = out.empty();
    auto interval = main ? std::min(horizon / 5, 60'000u) : std::max(horizon / 4, 120'000u);
    out.push_back({{.horizon_ms = horizon,
                    .interval_ms = std::max(interval, options.window_ms),
                    .rows_max = main ? 1u << 15 : 1u << 13,
                    .seed = options.seed},
                   names,
                   ranks});
  }
  return out;
}

} // namespace

std::unique_ptr<forecaster> make_forecaster(const forecaster_options& options) {
  return std::make_unique<forecast_engine>(options);
}

forecast_engine::forecast_engine(const forecaster_options& options)
    : options_(options), extent_end_(extents_of(options)), table_(options.extent_bytes),
      experts_(make_experts()), outlooks_(make_outlooks(options, experts_)) {
  if (options.lstm)
    learned_.emplace(experts_.size(), options.lstm_start ? *options.lstm_start : shipped_lstm());
}

void forecast_engine::notice(const vci_activity& x) {
  if (learned_)
    learned_->notice(x);
}

void forecast_engine::watch(learned_arm::observer each) {
  if (learned_)
    learned_->watch(std::move(each));
}

bool forecast_engine::study() {
  for (auto& each : outlooks_)
    if (each.study())
      return true;
  return learned_ && learned_->study();
}

void forecast_engine::observe(const access& given) {
  auto x = given;
  x.at_ms = sane_time(x.at_ms);
  auto window = window_of(x.at_ms, options_.window_ms);
  if (!started_) {
    started_ = true;
    base_ = window;
  }
  if (window > base_ + open_)
    advance(x.at_ms);
  auto first = x.offset / options_.extent_bytes;
  if (first >= extent_end_)
    return;
  auto in_run = streams_.observe(x);
  constexpr std::uint32_t generation_ms_min = 300'000;
  auto generation_windows =
      std::max(options_.horizon_ms, generation_ms_min) / options_.window_ms + 1;
  auto generation = static_cast<std::uint16_t>(open_ / generation_windows);
  auto begin = static_cast<std::uint32_t>(x.offset % options_.extent_bytes);
  auto left = x.bytes;
  for (auto extent = first; extent < extent_end_; ++extent) {
    auto part = std::min(left, options_.extent_bytes - begin);
    auto pages = table_.pages_of(begin, part);
    auto& count = pending_of(static_cast<std::uint32_t>(extent));
    (x.write ? count.writes : count.reads) += pages.size();
    count.run += in_run ? pages.size() : 0;
    count.fresh += table_.touch(count.slot, pages, generation);
    set_pages(count.pages, pages);
    left -= part;
    begin = 0;
    if (left == 0)
      break;
  }
}

window_count& forecast_engine::pending_of(std::uint32_t extent) {
  auto slot = table_.find(extent);
  if (slot == extent_table::none) {
    if (table_.size() >= options_.extents_max)
      forget_down_to(options_.extents_max - options_.extents_max / 8);
    slot = table_.add(extent, open_);
  }
  auto& at = table_.pending[slot];
  if (at == extent_table::none) {
    at = static_cast<std::uint32_t>(counts_.size());
    counts_.push_back({.slot = slot});
  }
  return counts_[at];
}

void forecast_engine::advance(std::int64_t now_ms) {
  if (!started_)
    return;
  auto ahead = window_of(sane_time(now_ms), options_.window_ms) - (base_ + open_);
  if (ahead > 0 && open_ < open_max)
    close(static_cast<std::uint32_t>(std::min<std::int64_t>(ahead, open_max - open_)));
}

void forecast_engine::close(std::uint32_t windows) {
  double reads = 0, writes = 0;
  if (!counts_.empty()) {
    for (auto& each : experts_)
      each->fold(table_, open_, options_.window_ms, now_ms(), counts_);
    for (auto& each : outlooks_)
      each.count(table_, counts_);
    for (auto& each : counts_) {
      table_.last_window[each.slot] = open_;
      table_.pending[each.slot] = extent_table::none;
      reads += each.reads;
      writes += each.writes;
    }
    counts_.clear();
    ++busy_;
  }
  auto decay = total_decay(options_);
  auto idle = std::exp(-decay * (windows - 1.0));
  reads_ = (reads_ * std::exp(-decay) + reads) * idle;
  writes_ = (writes_ * std::exp(-decay) + writes) * idle;
  open_ += windows;
  for (auto& each : outlooks_)
    each.advance(now_ms(), [&](const lesson& learnt) {
      if (learned_ && &each == &outlooks_.front())
        learned_->learn(learnt);
    });
  while (!options_.study_apart && study())
    ;
  if (busy_ > 0) // an idle volume costs nothing
    start_trials();
}

void forecast_engine::start_trials() {
  auto now = now_ms();
  if (std::none_of(outlooks_.begin(), outlooks_.end(), [&](auto& x) { return x.due(now); }))
    return;
  busy_ = 0;
  sort_slots();
  auto seen = gather_candidates();
  for (auto& each : outlooks_)
    if (each.due(now)) {
      auto chosen = &each == &outlooks_.front() ? renew_classes(seen)
                                                : ranking{each.expect(seen)}.top(budget());
      if (learned_ && &each == &outlooks_.front())
        learned_->step(seen, table_.size(), now, now + each.horizon_ms());
      each.start(now, seen, chosen, budget());
    }
}

std::size_t forecast_engine::budget() const {
  if (options_.budget_extents != 0)
    return options_.budget_extents;
  return std::max<std::size_t>(32, (options_.size_bytes == 0 ? table_.size() : extent_end_) / 20);
}

/// The coldest go: by long-term heat and what the open window brought.
void forecast_engine::forget_down_to(std::size_t extents) {
  auto coldness = std::find_if(experts_.begin(), experts_.end(),
                               [](auto& each) { return each->name() == "ewma_5m"; });
  FORESHIFT_ENSURE(coldness != experts_.end());
  std::vector<float> heat(table_.size());
  (*coldness)->score(view(), heat);
  for (auto& each : counts_)
    heat[each.slot] += static_cast<float>(each.all());
  std::vector<std::uint32_t> kept(table_.size());
  std::iota(kept.begin(), kept.end(), 0u);
  std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(extents), kept.end(),
                   [&](auto a, auto b) { return heat[a] != heat[b] ? heat[a] > heat[b] : a < b; });
  kept.resize(extents);
  std::sort(kept.begin(), kept.end());

  table_.keep(kept);
  order_.clear();
  for (auto& each : experts_)
    each->keep(kept);
  if (learned_)
    learned_->keep(kept);
  std::vector<window_count> counts;
  for (std::uint32_t slot = 0; slot < table_.size(); ++slot)
    if (auto& at = table_.pending[slot]; at != extent_table::none) {
      counts.push_back(counts_[at]);
      counts.back().slot = slot;
      at = static_cast<std::uint32_t>(counts.size() - 1);
    }
  counts_ = std::move(counts);
}

/// New slots are few: sort them and merge.
void forecast_engine::sort_slots() {
  auto& extents = table_.extents();
  auto by_extent = [&](auto a, auto b) { return extents[a] < extents[b]; };
  auto old = order_.size();
  grow(order_, table_.size());
  auto middle = order_.begin() + static_cast<std::ptrdiff_t>(old);
  std::iota(middle, order_.end(), static_cast<std::uint32_t>(old));
  std::sort(middle, order_.end(), by_extent);
  std::inplace_merge(order_.begin(), middle, order_.end(), by_extent);
}

forecast_view forecast_engine::view() const {
  return {
      table_,      streams_, open_ == 0 ? 0 : open_ - 1, options_.window_ms, options_.extent_bytes,
      extent_end_, now_ms()};
}

} // namespace foreshift
