// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/backtest.hpp"

#include "core/base/units.hpp"
#include "core/forecast/backtest/scores.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>

namespace foreshift {

namespace {

constexpr std::size_t batch_requests = 4096;

result<void> check(const backtest_options& o) {
  auto bad = [](const char* why) { return fault{errc::invalid, why}; };
  if (!(o.budget > 0 && o.budget <= 1))
    return bad("the budget must be above 0 % and at most 100 %");
  if (!(o.train >= 0 && o.train < 1))
    return bad("training takes at least 0 % and less than 100 % of the trace");
  if (o.extent_bytes < tally_page_bytes || o.extent_bytes > gib
      || o.extent_bytes % tally_page_bytes != 0)
    return bad("an extent is a multiple of 4 KiB, up to 1 GiB");
  constexpr std::uint32_t day_ms = 86'400'000;
  if (o.window_ms < 1 || o.window_ms > day_ms)
    return bad("a window lasts from 1 ms to 1 day");
  if (o.horizon_ms < 1000 || o.horizon_ms > 30 * day_ms)
    return bad("a horizon lasts from 1 s to 30 days");
  if (o.span_ms < 1)
    return bad("the span is empty");
  return {};
}

double file_bytes(const std::string& path) {
  std::error_code none;
  auto out = std::filesystem::file_size(path, none);
  return none ? 0 : static_cast<double>(out);
}

std::string seconds(std::int64_t us) {
  return format_duration(std::chrono::microseconds{us});
}

/// "4320.000".
std::string csv_seconds(std::int64_t ms) {
  auto thousandths = std::to_string(1000 + ms % 1000);
  return std::to_string(ms / 1000) + '.' + thousandths.substr(1);
}

/// The second pass.
class run {
public:
  run(const backtest_options& options, const trace_survey& survey)
      : options_(options), survey_(survey), budget_(budget_extents(options, survey)),
        source_(options.make_arms(forecast_options())), scores_(options, budget_),
        horizon_us_(std::int64_t{options.horizon_ms} * 1000) {
    auto train_ms = std::llround(options.train * static_cast<double>(survey.length_us / 1000));
    auto windows = (train_ms + options.window_ms - 1) / options.window_ms;
    first_us_ = windows * options.window_ms * 1000;
    auto left_us = survey.length_us - first_us_;
    decisions_ = left_us < horizon_us_ ? 0 : left_us / horizon_us_;
    if (options.heat_map)
      heat_.counts.resize(heat_grid::rows * heat_grid::columns);
  }

  result<void> choose_arms();
  result<backtest_report> over(const std::string& path);

private:
  static std::uint64_t budget_extents(const backtest_options& o, const trace_survey& survey) {
    auto share = o.budget * static_cast<double>(survey.extents.cardinality());
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(share + 1e-9));
  }

  forecaster_options forecast_options() const {
    forecaster_options out;
    out.extent_bytes = options_.extent_bytes;
    // Finer than the decisions need: experts tell seconds from minutes.
    out.window_ms = std::min(options_.window_ms, 1000u);
    out.horizon_ms = options_.horizon_ms;
    out.budget_extents = budget_;
    out.seed = options_.seed;
    out.lstm = options_.lstm;
    out.lstm_start = options_.lstm_start;
    return out;
  }

  std::int64_t cpu_ns() const { return options_.cpu_ns ? options_.cpu_ns() : 0; }
  void take(const trace_request& x);
  void decide();
  void warm(const trace_request& x, std::int64_t at_us);

  const backtest_options& options_;
  const trace_survey& survey_;
  std::uint64_t budget_;
  std::unique_ptr<arm_source> source_;
  backtest_scores scores_;
  std::int64_t horizon_us_;
  std::int64_t first_us_ = 0;
  std::int64_t decisions_ = 0;
  std::int64_t made_ = 0;
  std::vector<std::size_t> arms_; ///< Of the source's, those reported.
  roaring::Roaring known_;        ///< Extents touched so far.
  heat_grid heat_;
};

result<void> run::choose_arms() {
  if (decisions_ == 0)
    return fault{errc::invalid,
                 "the trace lasts " + seconds(survey_.length_us) + "; after training on "
                     + std::to_string(static_cast<int>(100 * options_.train))
                     + " % of it no whole horizon of " + seconds(horizon_us_) + " is left"};
  auto names = source_->arms();
  for (std::size_t i = 0; i < names.size(); ++i)
    if (options_.arms.empty() || std::count(options_.arms.begin(), options_.arms.end(), names[i])) {
      arms_.push_back(i);
      scores_.add_arm(names[i]);
    }
  for (auto& wanted : options_.arms)
    if (std::count(names.begin(), names.end(), wanted) == 0) {
      std::string all;
      for (auto& name : names)
        all += (all.empty() ? "" : ", ") + name;
      return fault{errc::invalid, "no arm '" + wanted + "'; there are " + all};
    }
  return {};
}

void run::decide() {
  auto at_us = first_us_ + made_ * horizon_us_;
  auto time = csv_seconds(at_us / 1000);
  source_->advance(at_us / 1000);
  if (made_ > 0)
    scores_.end_horizon();
  for (std::size_t i = 0; i < arms_.size() && made_ < decisions_; ++i) {
    auto began = cpu_ns();
    auto chosen = source_->choose(arms_[i], budget_);
    scores_.note_cost(i, cpu_ns() - began, known_.cardinality());
    if (options_.picks != nullptr)
      for (auto extent : chosen)
        *options_.picks << made_ << ',' << time << ',' << scores_.name(i) << ',' << extent << '\n';
    scores_.choose(i, std::move(chosen));
  }
  ++made_;
}

/// A request, its time from the trace's first.
void run::take(const trace_request& x) {
  auto at_us = x.at_us - survey_.start_us;
  while (made_ <= decisions_ && at_us >= first_us_ + made_ * horizon_us_)
    decide();
  if (options_.heat_map)
    warm(x, at_us);
  if (made_ > decisions_)
    return;
  auto first = static_cast<std::uint32_t>(x.offset / options_.extent_bytes);
  auto last = (x.offset + x.bytes - 1) / options_.extent_bytes;
  known_.addRange(first, last + 1);
  source_->observe(to_access(x, survey_.start_us));
  if (made_ > 0)
    scores_.count(x, at_us - (first_us_ + (made_ - 1) * horizon_us_));
}

void run::warm(const trace_request& x, std::int64_t at_us) {
  auto column = static_cast<std::size_t>(
      static_cast<double>(at_us) / static_cast<double>(survey_.length_us) * heat_grid::columns);
  auto rank =
      survey_.extents.rank(static_cast<std::uint32_t>(x.offset / options_.extent_bytes)) - 1;
  auto row = rank * heat_grid::rows / survey_.extents.cardinality();
  auto pages = (x.offset + x.bytes - 1) / tally_page_bytes - x.offset / tally_page_bytes + 1;
  heat_.counts[row * heat_grid::columns + std::min(column, heat_grid::columns - 1)] +=
      static_cast<std::uint32_t>(pages);
}

result<backtest_report> run::over(const std::string& path) {
  auto options = options_.trace;
  options.format = survey_.counts.format;
  options.offset_end = std::min(options.offset_end, address_end(options_.extent_bytes));
  if (!survey_.counts.timed)
    options.spread = trace_spread{survey_.counts.requests, survey_.length_us};
  auto reader = trace_reader::open(path, options);
  if (!reader)
    return reader.error();
  if (options_.picks != nullptr)
    *options_.picks << "decision,time_s,arm,extent\n";
  std::vector<trace_request> batch(batch_requests);
  auto began = cpu_ns();
  for (auto count = batch.size(); count == batch.size();) {
    auto got = reader->read(batch);
    if (!got)
      return got.error();
    count = *got;
    for (auto& x : std::span{batch}.first(count))
      take(x);
    if (options_.progress)
      options_.progress("simulating", static_cast<double>(reader->counts().requests)
                                          / static_cast<double>(survey_.counts.requests));
    if (made_ > decisions_ && !options_.heat_map)
      break;
  }
  while (made_ <= decisions_)
    decide();
  auto requests = static_cast<double>(survey_.counts.requests);
  auto out = scores_.report();
  out.observe_ns =
      std::max(0.0, static_cast<double>(cpu_ns() - began - scores_.cost_ns())) / requests;
  out.trace = path;
  out.counts = survey_.counts;
  out.length_us = survey_.length_us;
  out.page_accesses = survey_.page_accesses;
  out.extents = survey_.extents.cardinality();
  out.extent_bytes = options_.extent_bytes;
  out.horizon_s = options_.horizon_ms / 1000.0;
  out.budget_extents = budget_;
  out.first_decision_s = static_cast<double>(first_us_) / 1e6;
  out.heat = std::move(heat_);
  return out;
}

} // namespace

result<backtest_report> run_backtest(const std::string& path, const backtest_options& options) {
  if (auto ok = check(options); !ok)
    return ok.error();
  std::function<void(std::uint64_t)> reading;
  if (options.progress)
    reading = [&options, whole = file_bytes(path)](std::uint64_t bytes) {
      options.progress("reading", whole > 0 ? static_cast<double>(bytes) / whole : 0);
    };
  auto survey =
      survey_trace(path, options.trace, options.extent_bytes, options.span_ms * 1000, reading);
  if (!survey)
    return survey.error();
  run second(options, *survey);
  if (auto ok = second.choose_arms(); !ok)
    return ok.error();
  return second.over(path);
}

} // namespace foreshift
