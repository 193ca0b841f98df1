// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/outlook.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

namespace foreshift {

namespace {

constexpr double margin = 0.02; ///< By which another arm must beat the blend to lead.
constexpr double apart_min = 7; ///< Verdicts, but for overlaps, before anyone but the blend leads.
constexpr double memory = 0.9;  ///< Of verdicts, per horizon.
constexpr float fade = 0.99f;   ///< Of a lesson's weight, per lesson.
constexpr float share_max = 6;  ///< Of what a lesson tells of one extent: the very hot are known.
constexpr std::size_t lesson_rows_max = 49'152;
constexpr std::size_t restored_lessons_min = 16;
constexpr int fit_every = 2;

// Arms beside the experts, in this order.
constexpr std::size_t merged_arms = 4; // table, trees, blend, chosen

std::vector<std::array<std::uint8_t, 2>> pairs_of(const std::vector<std::string>& experts) {
  auto place = [&](std::string_view name) {
    auto found = std::find(experts.begin(), experts.end(), name);
    FORESHIFT_ENSURE(found != experts.end());
    return static_cast<std::uint8_t>(found - experts.begin());
  };
  return {{place("ewma_5m"), place("run")},
          {place("age"), place("pace")},
          {place("seen_1h"), place("seen_5m")},
          {place("fresh_2h"), place("age")},
          {place("ewma_5m"), place("read_share")}};
}

} // namespace

outlook::outlook(const outlook_options& options, std::vector<std::string> experts,
                 std::vector<bool> ranks)
    : options_(options), names_(std::move(experts)), ranks_(std::move(ranks)),
      fit_(names_.size(), pairs_of(names_)),
      trees_(names_.size(), options.seed + options.horizon_ms), table_(names_.size()),
      arms_(names_.size() + merged_arms) {
  FORESHIFT_ENSURE(names_.size() + merged_arms <= 32); // one bit each
  for (auto name : {"table", "trees", "blend", "chosen"})
    names_.emplace_back(name);
}

/// Verdicts of trials that overlap say nearly the same.
double outlook::verdicts_apart() const {
  return judged_ * std::min(1.0, static_cast<double>(options_.interval_ms) / options_.horizon_ms);
}

std::size_t outlook::lead() const {
  auto blend = ranks_.size() + 2;
  if (verdicts_apart() < apart_min)
    return blend;
  auto best = std::max_element(arms_.begin(), arms_.end() - 1) - arms_.begin();
  auto lead = static_cast<std::size_t>(best);
  return arms_[lead] > arms_[blend] + margin ? lead : blend;
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

/// Before the first verdict: runs go on, and everything else stays as it was lately.
std::vector<float> outlook::first_guess(const candidates& now) const {
  auto out = now.scores[place_of("run")];
  auto& rest = now.scores[place_of("rest_2m")];
  for (std::size_t row = 0; row < out.size(); ++row)
    out[row] += rest[row];
  return out;
}

std::vector<float> outlook::expect(const candidates& now, share_kind kind) const {
  if (kind == share_kind::total)
    return expect(now);
  if (judged_ > 0) { // the trees say how much, the fit how it divides
    auto out = trees_.expect(now.levels);
    auto of_reads = fit_.expect(now.levels, share_kind::reads);
    auto of_writes = fit_.expect(now.levels, share_kind::writes);
    for (std::size_t row = 0; row < out.size(); ++row) {
      auto reads = static_cast<float>(read_share_) * of_reads[row];
      auto writes = static_cast<float>(1 - read_share_) * of_writes[row];
      if (reads + writes > 0)
        out[row] *= (kind == share_kind::reads ? reads : writes) / (reads + writes);
    }
    return out;
  }
  auto out = first_guess(now);
  auto& reads = now.scores[place_of("read_share")];
  for (std::size_t row = 0; row < out.size(); ++row)
    out[row] *= kind == share_kind::reads ? reads[row] : 1 - reads[row];
  return out;
}

std::vector<float> outlook::expect(const candidates& now) const {
  if (judged_ == 0)
    return first_guess(now);
  auto lead = this->lead();
  if (lead >= ranks_.size())
    return by_arm(names_[lead], now);
  // An expert leads: its levels come first, the trees decide within one.
  auto out = trees_.expect(now.levels);
  for (std::size_t row = 0; row < out.size(); ++row)
    out[row] = table_[lead][now.levels[lead][row]] + 0.01f * out[row];
  return out;
}

std::vector<float> outlook::by_arm(const std::string& arm, const candidates& now) const {
  if (arm == "table")
    return by_table(now.levels);
  auto out = trees_.expect(now.levels);
  if (arm == "trees")
    return out;
  auto table = by_table(now.levels); // the geometric mean: what one of them denies is out
  auto lstm = place_of("lstm");
  auto vote = lstm < now.scores.size() ? vote_of_lstm() : 0;
  for (std::size_t row = 0; row < out.size(); ++row) {
    auto product = out[row] * table[row];
    out[row] = vote > 0 ? std::pow(product * std::pow(now.scores[lstm][row], vote), 1 / (2 + vote))
                        : std::sqrt(product);
  }
  return out;
}

/// 1: as much as the table and the trees each. Its first weights have seen other traces when the
/// trees have seen three lessons; the more the trees have seen of this one, the less it has to say.
float outlook::vote_of_lstm() const {
  return static_cast<float>(apart_min / (apart_min + verdicts_apart()));
}

void outlook::start(std::int64_t now_ms, const candidates& now,
                    std::span<const std::uint32_t> chosen, std::size_t budget) {
  next_ms_ = now_ms + options_.interval_ms;
  auto picks = now.picks;
  auto mark = [&](std::span<const std::uint32_t> positions, std::size_t arm) {
    for (auto i : positions)
      picks[i] |= 1u << arm;
  };
  for (std::size_t i = 0; i + 1 < merged_arms; ++i)
    mark(ranking{by_arm(names_[ranks_.size() + i], now)}.top(budget), ranks_.size() + i);
  mark(chosen, names_.size() - 1);
  auto promised = promise(now, chosen);
  auto moved = renew(now, chosen);
  trials_.emplace_back(now_ms + options_.horizon_ms, now.extents, now.levels, picks, budget,
                       options_.rows_max);
  trials_.back().promised = promised;
  trials_.back().moved = moved;
}

/// The share of accesses that the choice is expected to cover.
double outlook::promise(const candidates& now, std::span<const std::uint32_t> chosen) const {
  auto of_kind = [&](share_kind kind) {
    auto values = fit_.expect(now.levels, kind);
    double part = 0;
    for (auto place : chosen)
      part += values[place];
    auto all = std::accumulate(values.begin(), values.end(), 0.0);
    return all > 0 ? part / all : 0;
  };
  return read_share_ * of_kind(share_kind::reads) + (1 - read_share_) * of_kind(share_kind::writes);
}

/// Remembers the choice; returns the share of it that was not in the one before.
double outlook::renew(const candidates& now, std::span<const std::uint32_t> chosen) {
  auto before = std::exchange(chosen_, {});
  for (auto place : chosen)
    chosen_.push_back(now.extents[place]);
  std::sort(chosen_.begin(), chosen_.end());
  std::vector<std::uint32_t> fresh;
  std::set_difference(chosen_.begin(), chosen_.end(), before.begin(), before.end(),
                      std::back_inserter(fresh));
  return chosen_.empty() ? 0
                         : static_cast<double>(fresh.size()) / static_cast<double>(chosen_.size());
}

void outlook::count(const extent_table& table, std::span<const window_count> counts) {
  for (auto& each : trials_)
    each.count(table, counts);
}

void outlook::advance(std::int64_t now_ms, const std::function<void(const lesson&)>& each) {
  while (!trials_.empty() && trials_.front().end_ms() <= now_ms) {
    auto& ended = trials_.front();
    auto result = ended.finish(arms_.size());
    if (auto& judged = result.judged; judged.accesses > 0) { // an idle volume teaches nothing
      read_share_ += 0.2 * (judged.read_share - read_share_);
      ledger_.note({ended.promised, judged.covers.back(), judged.oracle, judged.arms.back(),
                    judged.wasted, ended.moved});
      learn(std::move(result));
      each(lessons_.back());
    }
    trials_.pop_front();
  }
}

void outlook::learn(trial::outcome result) {
  auto per_trial = std::pow(memory, static_cast<double>(options_.interval_ms)
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

  for (auto& each : learnt.total)
    each = std::min(each, share_max);
  for (auto& each : lessons_)
    each.weight *= fade;
  lessons_.push_back(std::move(learnt));
  thin_out();
  // Lessons are not saved: a merge that came with a state knows more than the first few since.
  auto restored = judged_ > static_cast<double>(lessons_.size()) + 0.5;
  if (restored && lessons_.size() < restored_lessons_min)
    return;
  if (++unfitted_ >= fit_every || lessons_.size() < 8) {
    fit_due_ = true;
    unfitted_ = 0;
  }
}

bool outlook::study() {
  if (!std::exchange(fit_due_, false))
    return false;
  fit_.learn(lessons_);
  trees_.learn(lessons_);
  return true;
}

/// Makes room: of the lessons the one goes whose neighbours lie closest for its age, so that recent
/// times stay dense and a few old ones remain.
void outlook::thin_out() {
  constexpr double soft_ms = 3600e3;
  std::size_t rows = 0;
  for (auto& each : lessons_)
    rows += each.rows();
  while (rows > lesson_rows_max && lessons_.size() > 2) {
    auto now = lessons_.back().end_ms;
    auto closeness = [&](std::size_t i) {
      auto gap = static_cast<double>(lessons_[i + 1].end_ms - lessons_[i - 1].end_ms);
      return gap / (static_cast<double>(now - lessons_[i].end_ms) + soft_ms);
    };
    std::size_t least = 1;
    for (std::size_t i = 2; i + 1 < lessons_.size(); ++i)
      if (closeness(i) < closeness(least))
        least = i;
    rows -= lessons_[least].rows();
    lessons_.erase(lessons_.begin() + static_cast<std::ptrdiff_t>(least));
  }
}

void outlook::save(byte_writer& out) const {
  out.put(options_.horizon_ms);
  fit_.save(out);
  trees_.save(out);
  for (auto& each : table_)
    for (auto value : each)
      out.put(value);
  out.put_all(arms_);
  out.put(judged_);
  out.put(read_share_);
  ledger_.save(out);
}

void outlook::load(byte_reader& in) {
  fit_.load(in);
  trees_.load(in);
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
  read_share_ = in.get_amount();
  in.require(read_share_ <= 1);
  ledger_.load(in);
}

} // namespace foreshift
