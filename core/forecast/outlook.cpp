// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/outlook.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace foreshift {

namespace {

double knob(const char* name, double otherwise) {
  auto found = std::getenv(name);
  return found ? std::atof(found) : otherwise;
}

// Arms beside the experts, in this order.
constexpr std::size_t merged_arms = 3; // table, fitted, chosen

std::vector<std::array<std::uint8_t, 2>> pairs_of(const std::vector<std::string>& experts) {
  auto place = [&](std::string_view name) {
    auto found = std::find(experts.begin(), experts.end(), name);
    FORESHIFT_ENSURE(found != experts.end());
    return static_cast<std::uint8_t>(found - experts.begin());
  };
  if (knob("K_PAIRS", 1) == 0)
    return {};
  return {{place("ewma_5m"), place("run")},      {place("age"), place("pace")},
          {place("seen_1h"), place("seen_5m")},  {place("fresh_2h"), place("age")},
          {place("ewma_5m"), place("read_share")}};
}

} // namespace

outlook::outlook(const outlook_options& options, std::vector<std::string> experts,
                 std::vector<bool> ranks)
    : options_(options), names_(std::move(experts)), ranks_(std::move(ranks)),
      fit_(names_.size(), pairs_of(names_)), table_(names_.size()),
      arms_(names_.size() + merged_arms) {
  FORESHIFT_ENSURE(names_.size() + merged_arms <= 32); // one bit each
  for (auto name : {"table", "fitted", "chosen"})
    names_.emplace_back(name);
}

std::size_t outlook::lead() const {
  static const auto margin = knob("K_MARGIN", 0.02);
  static const auto judged_min = knob("K_JUDGED", 3);
  auto fitted = ranks_.size() + 1;
  if (judged_ < judged_min)
    return fitted;
  auto best = std::max_element(arms_.begin(), arms_.end() - 1) - arms_.begin();
  auto lead = static_cast<std::size_t>(best);
  return arms_[lead] > arms_[fitted] + margin ? lead : fitted;
}

std::vector<float> outlook::by_table(const level_columns& levels) const {
  std::vector<float> out(levels.front().size());
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    if (!ranks_[i])
      continue;
    auto weight = static_cast<float>(std::exp(8 * (arms_[i] - 1)));
    for (std::size_t row = 0; row < out.size(); ++row)
      out[row] += weight * table_[i][levels[i][row]];
  }
  return out;
}

std::vector<float> outlook::expect(const candidates& now) const {
  auto lead = this->lead();
  auto fitted = fit_.expect(now.levels, share_kind::total);
  if (lead == ranks_.size() + 1)
    return fitted;
  if (lead == ranks_.size())
    return by_table(now.levels);
  // Another leads: its levels come first, the fit decides within one.
  for (std::size_t row = 0; row < fitted.size(); ++row)
    fitted[row] = table_[lead][now.levels[lead][row]] + 0.01f * fitted[row];
  return fitted;
}

void outlook::start(std::int64_t now_ms, const candidates& now,
                    std::span<const std::uint32_t> chosen, std::size_t budget) {
  next_ms_ = now_ms + options_.interval_ms;
  auto picks = now.picks;
  auto mark = [&](std::span<const std::uint32_t> positions, std::size_t arm) {
    for (auto i : positions)
      picks[i] |= 1u << arm;
  };
  mark(ranking{by_table(now.levels)}.top(budget), ranks_.size());
  mark(ranking{fit_.expect(now.levels, share_kind::total)}.top(budget), ranks_.size() + 1);
  mark(chosen, ranks_.size() + 2);
  trials_.emplace_back(now_ms + options_.horizon_ms, now.extents, now.levels, picks, budget,
                       options_.rows_max);
}

void outlook::count(const extent_table& table, std::span<const window_count> counts) {
  for (auto& each : trials_)
    each.count(table, counts);
}

void outlook::advance(std::int64_t now_ms) {
  while (!trials_.empty() && trials_.front().end_ms() <= now_ms) {
    learn(trials_.front().finish(arms_.size()));
    trials_.pop_front();
  }
}

void outlook::learn(trial::outcome result) {
  if (result.judged.accesses <= 0)
    return; // an idle volume teaches nothing
  static const auto decay = knob("K_ARMDECAY", 0.9);
  auto per_trial = std::pow(decay, static_cast<double>(options_.interval_ms)
                                       / std::max(options_.interval_ms, options_.horizon_ms));
  judged_ = per_trial * judged_ + 1;
  for (std::size_t i = 0; i < arms_.size(); ++i)
    arms_[i] += (result.judged.arms[i] - arms_[i]) / judged_;

  auto& learnt = result.learnt;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    std::array<double, rank_levels> sums{}, counts{};
    for (std::size_t row = 0; row < learnt.rows(); ++row) {
      sums[learnt.levels[i][row]] += learnt.total[row];
      counts[learnt.levels[i][row]] += learnt.stands_for[row];
    }
    for (std::size_t level = 0; level < rank_levels; ++level)
      if (counts[level] > 0)
        table_[i][level] += static_cast<float>((sums[level] / counts[level] - table_[i][level])
                                               / std::min(judged_, 20.0));
  }

  static const auto fade = static_cast<float>(knob("K_FADE", 0.97));
  static const auto cap = static_cast<float>(knob("K_CAP", 6));
  for (auto& each : learnt.total)
    each = std::min(each, cap);
  for (auto& each : lessons_)
    each.weight *= fade;
  lessons_.push_back(std::move(learnt));
  std::size_t rows = 0, kept = lessons_.size();
  static const auto rows_max = static_cast<std::size_t>(knob("K_LROWS", 49152));
  while (kept > 0 && (rows += lessons_[kept - 1].rows()) <= rows_max)
    --kept;
  if (kept > 0 && kept < lessons_.size())
    lessons_.erase(lessons_.begin(), lessons_.begin() + static_cast<std::ptrdiff_t>(kept));
  static const auto every = static_cast<int>(knob("K_EVERY", 3));
  if (++unfitted_ >= every || lessons_.size() < 8) {
    fit_.learn(lessons_);
    unfitted_ = 0;
  }
}

void outlook::save(byte_writer& out) const {
  out.put(options_.horizon_ms);
  fit_.save(out);
  for (auto& each : table_)
    for (auto value : each)
      out.put(value);
  out.put_all(arms_);
  out.put(judged_);
  ledger_.save(out);
}

void outlook::load(byte_reader& in) {
  fit_.load(in);
  for (auto& each : table_)
    for (auto& value : each) {
      value = in.get<float>();
      in.require(value >= 0 && value < 1e9f);
    }
  arms_ = in.get_column<double>(arms_.size());
  arms_.resize(names_.size());
  for (auto value : arms_)
    in.require(value >= 0 && value <= 1.001);
  judged_ = in.get_amount();
  ledger_.load(in);
}

} // namespace foreshift
