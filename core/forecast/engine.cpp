// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/engine.hpp"

#include "core/forecast/experts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace foreshift {

namespace {

constexpr std::size_t beyond_max = 1u << 16;

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
  constexpr auto end_ms = std::int64_t{1} << 60;
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

std::uint32_t trial_windows(const forecaster_options& options) {
  return std::max(1u, options.horizon_ms / 12 / options.window_ms);
}

} // namespace

std::unique_ptr<forecaster> make_forecaster(const forecaster_options& options) {
  return std::make_unique<forecast_engine>(options);
}

forecast_engine::forecast_engine(const forecaster_options& options)
    : options_(options), extent_end_(extents_of(options)), table_(options.extent_bytes),
      experts_(make_experts(options.window_ms)), merge_(make_weighted_merge(experts_.size())),
      trial_(experts_.size()) {}

void forecast_engine::observe(const access& given) {
  auto x = given;
  x.at_ms = sane_time(x.at_ms);
  auto window = window_of(x.at_ms, options_.window_ms);
  if (!started_) {
    started_ = true;
    base_ = window;
    trial_end_ = trial_windows(options_);
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
    auto& count = pending_of(static_cast<std::uint32_t>(extent));
    (x.write ? count.writes : count.reads) += 1;
    (x.write ? count.run_writes : count.run_reads) += in_run;
    auto part = std::min(left, options_.extent_bytes - begin);
    table_.touch(count.slot, begin, part, generation);
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
    table_.picked_by[slot] = trial_.picks_of(extent);
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
      each->fold(table_, open_, counts_);
    trial_.count(table_, counts_);
    for (auto& each : counts_) {
      table_.last_window[each.slot] = open_;
      table_.pending[each.slot] = extent_table::none;
      reads += each.reads;
      writes += each.writes;
    }
    counts_.clear();
  }
  streams_.close(windows, options_.window_ms);
  auto decay = total_decay(options_);
  auto idle = std::exp(-decay * (windows - 1.0));
  reads_ = (reads_ * std::exp(-decay) + reads) * idle;
  writes_ = (writes_ * std::exp(-decay) + writes) * idle;
  open_ += windows;
  if (open_ >= trial_end_)
    renew_trial();
}

void forecast_engine::renew_trial() {
  trial_end_ = open_ + trial_windows(options_);
  if (trial_runs_ && trial_.reads() + trial_.writes() == 0)
    return; // an idle volume costs nothing
  if (trial_runs_)
    merge_->judge(trial_.verdicts(), trial_.reads(), trial_.writes());
  auto budget = options_.budget_extents;
  if (budget == 0)
    budget =
        std::max<std::size_t>(32, (options_.size_bytes == 0 ? table_.size() : extent_end_) / 20);
  auto now = score();
  trial_.begin(table_, now.beyond, now.scores, budget);
  trial_runs_ = true;
}

/// The coldest go: by long-term heat and what the open window brought.
void forecast_engine::forget_down_to(std::size_t extents) {
  auto coldness = std::find_if(experts_.begin(), experts_.end(),
                               [](auto& each) { return each->name() == "ewma_5m"; });
  FORESHIFT_ENSURE(coldness != experts_.end());
  heat_scores heat{std::vector<float>(table_.size()), std::vector<float>(table_.size())};
  (*coldness)->score(view(), heat);
  for (auto& each : counts_)
    heat.reads[each.slot] += static_cast<float>(each.reads + each.writes);
  for (std::size_t i = 0; i < table_.size(); ++i)
    heat.reads[i] += heat.writes[i];
  std::vector<std::uint32_t> kept(table_.size());
  std::iota(kept.begin(), kept.end(), 0u);
  std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(extents), kept.end(),
                   [&](auto a, auto b) {
                     return heat.reads[a] != heat.reads[b] ? heat.reads[a] > heat.reads[b] : a < b;
                   });
  kept.resize(extents);
  std::sort(kept.begin(), kept.end());

  table_.keep(kept);
  for (auto& each : experts_)
    each->keep(kept);
  std::vector<window_count> counts;
  for (std::uint32_t slot = 0; slot < table_.size(); ++slot)
    if (auto& at = table_.pending[slot]; at != extent_table::none) {
      counts.push_back(counts_[at]);
      counts.back().slot = slot;
      at = static_cast<std::uint32_t>(counts.size() - 1);
    }
  counts_ = std::move(counts);
}

forecast_view forecast_engine::view() const {
  return {table_,
          streams_,
          open_ == 0 ? 0 : open_ - 1,
          options_.window_ms,
          options_.horizon_ms,
          options_.extent_bytes,
          extent_end_,
          (base_ + open_) * options_.window_ms};
}

forecast_engine::scored forecast_engine::score() const {
  scored out;
  auto now = view();
  for (auto& each : experts_)
    each->propose(now, out.beyond);
  std::sort(out.beyond.begin(), out.beyond.end());
  out.beyond.erase(std::unique(out.beyond.begin(), out.beyond.end()), out.beyond.end());
  out.beyond.resize(std::min(out.beyond.size(), beyond_max));
  now.beyond = out.beyond;
  for (auto& each : experts_) {
    auto& scores = out.scores.emplace_back();
    scores.reads.resize(now.size());
    scores.writes.resize(now.size());
    each->score(now, scores);
  }
  return out;
}

std::vector<std::string> forecast_engine::arms() const {
  std::vector<std::string> out;
  for (auto& each : experts_)
    out.emplace_back(each->name());
  return out;
}

std::vector<std::uint32_t> forecast_engine::choose(std::size_t arm, std::size_t count) const {
  if (open_ == 0)
    return {};
  auto now = view();
  std::vector<std::uint32_t> beyond;
  experts_[arm]->propose(now, beyond);
  std::sort(beyond.begin(), beyond.end());
  beyond.erase(std::unique(beyond.begin(), beyond.end()), beyond.end());
  std::erase_if(beyond, [&](auto each) { return table_.find(each) != extent_table::none; });
  now.beyond = beyond;
  heat_scores scores{std::vector<float>(now.size()), std::vector<float>(now.size())};
  experts_[arm]->score(now, scores);
  std::vector<std::uint32_t> out;
  for (auto& each : hottest(scores, beyond, count))
    out.push_back(each.extent);
  return out;
}

double forecast_engine::per_horizon(double decayed_sum) const {
  auto decay = total_decay(options_);
  auto per_window = decayed_sum * (1 - std::exp(-decay)) / (1 - std::exp(-decay * open_));
  return per_window * options_.horizon_ms / options_.window_ms;
}

forecast forecast_engine::predict(std::size_t extents_max) const {
  forecast out;
  out.horizon_ms = options_.horizon_ms;
  out.extents_active = table_.size();
  out.observed_ms = std::uint64_t{open_} * options_.window_ms;
  if (open_ > 0) {
    out.total_reads = per_horizon(reads_);
    out.total_writes = per_horizon(writes_);
    auto now = score();
    auto merged = merge_->combine(now.scores, out.total_reads, out.total_writes);
    out.extents = hottest(merged, now.beyond, extents_max);
  }
  auto weights = merge_->weights();
  auto all = out.total_reads + out.total_writes;
  auto read_share = all > 0 ? out.total_reads / all : 0.5;
  for (std::size_t i = 0; i < experts_.size(); ++i)
    out.experts.push_back({std::string{experts_[i]->name()},
                           read_share * weights.reads[i] + (1 - read_share) * weights.writes[i]});
  return out;
}

std::vector<extent_heat> forecast_engine::hottest(const heat_scores& merged,
                                                  std::span<const std::uint32_t> beyond,
                                                  std::size_t count) const {
  constexpr float negligible = 1e-6f;
  std::vector<extent_heat> out;
  std::vector<std::pair<float, std::uint32_t>> order; // heat, index
  for (std::uint32_t i = 0; i < merged.reads.size(); ++i)
    if (auto heat = merged.reads[i] + merged.writes[i]; heat > negligible)
      order.emplace_back(-heat, i);
  auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
  std::nth_element(order.begin(), end, order.end());
  std::sort(order.begin(), end);
  std::uint64_t run_bytes = 0, run_requests = 0;
  for (auto& run : streams_.all())
    if (run.confirmed()) {
      run_bytes += run.bytes / 1024;
      run_requests += run.requests;
    }
  auto run_request = 1024 * static_cast<double>(run_bytes)
                     / std::max<double>(1, static_cast<double>(run_requests));
  for (auto at = order.begin(); at != end; ++at) {
    auto i = at->second;
    auto known = i < table_.size();
    auto heat = -at->first;
    auto bytes =
        known ? table_.distinct_bytes(i, heat)
              : static_cast<float>(std::min<double>(options_.extent_bytes, heat * run_request));
    out.push_back({known ? table_.extents()[i] : beyond[i - table_.size()], merged.reads[i],
                   merged.writes[i], bytes});
  }
  return out;
}

} // namespace foreshift
