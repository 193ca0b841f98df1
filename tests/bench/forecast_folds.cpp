// SPDX-License-Identifier: Apache-2.0
// bench_forecast_folds [--only WORD] [--arms A,B] [--whole] [--lstm-gain] [TRACE[@SPAN_MIN] ...]:
// back-tests the forecast over generated traces of several seeds and over folds of the given ones:
// whole, each half, and without its first third; with --whole over the given traces alone, as they
// are. One table; the last column is how far the choice lies above the best simple method in
// hindsight (mean of accesses and distinct pages, in points of the clairvoyant choice). With
// --lstm-gain, what the LSTM adds to the choice, decision by decision, with a bootstrap interval.
#include "core/forecast/backtest/backtest.hpp"
#include "core/trace/iolog_writer.hpp"
#include "core/trace/workload.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

using namespace foreshift;
namespace fs = std::filesystem;

namespace {

struct fold {
  std::string name;
  std::string path;
  std::int64_t span_ms = 7 * 86'400'000ll;
};

std::int64_t thread_cpu_ns() {
  timespec at{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return at.tv_sec * 1'000'000'000ll + at.tv_nsec;
}

/// Merges of the experts, not experts.
bool merged(const std::string& arm) {
  return arm == "foreshift" || arm == "table" || arm == "blend" || arm == "trees" || arm == "lstm";
}

void write(const fs::path& to, const std::vector<trace_request>& requests) {
  std::ofstream out(to);
  iolog_writer writer(out, "v");
  for (auto& each : requests)
    writer.write(each);
  writer.end();
}

std::vector<fold> generated(const fs::path& dir, const std::string& only) {
  struct recipe {
    const char* kind;
    std::int64_t hours;
    std::uint64_t gib;
    std::uint64_t seeds;
  };
  std::vector<fold> out;
  for (auto& each : {recipe{"streams", 4, 64, 3},
                     {"zipf", 4, 64, 2},
                     {"daily", 96, 64, 2},
                     {"scan", 8, 32, 2},
                     {"boot", 5, 64, 2}})
    for (std::uint64_t seed = 11; seed < 11 + each.seeds; ++seed) {
      auto name = std::string{each.kind} + '-' + std::to_string(seed);
      if (name.find(only) == name.npos)
        continue;
      auto made = workload::make(
          {*parse_workload(each.kind), each.hours * 3'600'000'000ll, each.gib << 30, seed});
      std::vector<trace_request> requests;
      for (trace_request x; made->next(x);)
        requests.push_back(x);
      out.push_back({name, dir / (name + ".iolog")});
      write(out.back().path, requests);
    }
  return out;
}

/// Whole; first half; second half; without its first third.
std::vector<fold> folds_of(const std::string& given, const fs::path& dir, const std::string& only,
                           bool whole_only) {
  auto at = given.rfind('@');
  fold whole{fs::path(given.substr(0, at)).filename().string(), given.substr(0, at)};
  whole.name = whole.name.substr(0, whole.name.find('.'));
  if (at != given.npos)
    whole.span_ms = std::atoll(given.c_str() + at + 1) * 60'000;
  std::vector<fold> out{whole};
  if (whole_only)
    return out;
  auto counted = survey_trace(whole.path, {}, 1u << 20, whole.span_ms * 1000, {});
  if (!counted) {
    std::cerr << counted.error().detail << '\n';
    std::exit(1);
  }
  trace_options options;
  if (!counted->counts.timed)
    options.spread = trace_spread{counted->counts.requests, counted->length_us};
  auto reader = trace_reader::open(whole.path, options);
  std::vector<trace_request> all(counted->counts.requests);
  if (!reader || !reader->read(all))
    std::exit(1);
  auto length = all.back().at_us - all.front().at_us;
  auto part = [&](const char* what, double from, double to) {
    std::vector<trace_request> taken;
    for (auto& x : all) {
      auto share = static_cast<double>(x.at_us - all.front().at_us) / static_cast<double>(length);
      if (share >= from && share <= to)
        taken.push_back(x);
    }
    auto name = whole.name + '-' + what;
    out.push_back({name, dir / (name + ".iolog")});
    write(out.back().path, taken);
  };
  part("1st", 0, 0.5);
  part("2nd", 0.5, 1);
  part("late", 1 / 3.0, 1);
  std::erase_if(out, [&](auto& x) { return x.name.find(only) == x.name.npos; });
  return out;
}

void run(const fold& of, const std::vector<std::string>& arms, std::vector<double>& gaps) {
  backtest_options options;
  options.span_ms = of.span_ms;
  options.arms = arms;
  options.cpu_ns = thread_cpu_ns;
  auto began = thread_cpu_ns();
  auto report = run_backtest(of.path, options);
  if (!report) {
    std::cerr << of.name << ": " << report.error().detail << '\n';
    return;
  }
  auto percent = [](const arm_report& arm, bool distinct) {
    return 100 * (distinct ? arm.of_oracle.distinct : arm.of_oracle.access);
  };
  auto mean = [&](const arm_report& arm) {
    return percent(arm, false) / 2 + percent(arm, true) / 2;
  };
  auto* best = &report->arms.front();
  auto simple = -1.0;
  for (auto& arm : report->arms)
    if (!merged(arm.name) && mean(arm) > simple) {
      simple = mean(arm);
      best = &arm;
    }
  std::printf("%-26s %6zu %4zu", of.name.c_str(), static_cast<std::size_t>(report->extents),
              static_cast<std::size_t>(report->decisions));
  for (auto& arm : report->arms)
    if (merged(arm.name))
      std::printf("  %5.1f|%5.1f %3.0f%%", percent(arm, false), percent(arm, true),
                  100 * arm.moved);
  std::printf("  %12s %5.1f|%5.1f %6.1f  %4.0fs\n", best->name.c_str(), percent(*best, false),
              percent(*best, true), mean(report->arms.front()) - simple,
              static_cast<double>(thread_cpu_ns() - began) / 1e9);
  std::fflush(stdout);
  gaps.push_back(mean(report->arms.front()) - simple);
}

/// Points of the clairvoyant choice that each decision gains by the LSTM: mean of accesses and
/// distinct pages.
std::vector<double> lstm_gains(const fold& of) {
  std::array<std::vector<double>, 2> reached;
  for (auto lstm : {false, true}) {
    backtest_options options;
    options.span_ms = of.span_ms;
    options.arms = {"foreshift"};
    options.lstm = lstm;
    auto report = run_backtest(of.path, options);
    if (!report) {
      std::cerr << of.name << ": " << report.error().detail << '\n';
      return {};
    }
    auto& arm = report->arms.front();
    auto& best = report->oracle.share;
    for (std::size_t i = 0; i < arm.curve.size(); ++i)
      if (!std::isnan(arm.curve[i]))
        reached[lstm].push_back(
            50 * (arm.curve[i] / best.access + arm.curve_distinct[i] / best.distinct));
  }
  for (std::size_t i = 0; i < reached[1].size(); ++i)
    reached[1][i] -= reached[0][i];
  return reached[1];
}

struct interval {
  double low, middle, high;
};

/// The mean over traces of the mean over their decisions, with 95 % of 4000 resamples of the
/// decisions of each trace (Efron, 1979).
interval bootstrap(const std::vector<std::vector<double>>& traces) {
  std::mt19937_64 random(1);
  auto once = [&](bool again) {
    double out = 0;
    for (auto& gains : traces) {
      double sum = 0;
      for (std::size_t i = 0; i < gains.size(); ++i)
        sum += gains[again ? random() % gains.size() : i];
      out += sum / static_cast<double>(gains.size());
    }
    return out / static_cast<double>(traces.size());
  };
  constexpr std::size_t count = 4000;
  std::vector<double> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back(once(true));
  std::sort(all.begin(), all.end());
  return {all[count / 40], once(false), all[count - count / 40 - 1]};
}

/// With the LSTM against without it, decision by decision.
void print_lstm_gain(const std::vector<fold>& folds) {
  std::vector<std::vector<double>> all;
  auto line = [](const std::string& name, std::size_t decisions, interval x) {
    std::printf("%-26s %4zu decisions  %+5.2f  (95 %%: %+5.2f to %+5.2f)\n", name.c_str(),
                decisions, x.middle, x.low, x.high);
    std::fflush(stdout);
  };
  std::size_t decisions = 0;
  for (auto& each : folds) {
    auto gains = lstm_gains(each);
    if (gains.empty())
      continue;
    line(each.name, gains.size(), bootstrap({gains}));
    decisions += gains.size();
    all.push_back(std::move(gains));
  }
  if (!all.empty())
    line("all traces alike", decisions, bootstrap(all));
}

} // namespace

int main(int argc, char** argv) {
  std::string only;
  bool whole = false, gain = false;
  std::vector<std::string> arms, traces;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (word == "--whole") {
      whole = true;
    } else if (word == "--lstm-gain") {
      gain = true;
    } else if (word == "--arms" && i + 1 < argc) {
      std::string list = argv[++i];
      for (std::size_t at = 0; at <= list.size();
           at = std::min(list.find(',', at), list.size()) + 1)
        arms.push_back(list.substr(at, list.find(',', at) - at));
    } else {
      traces.push_back(word);
    }
  }
  auto dir = fs::temp_directory_path() / ("foreshift-folds-" + std::to_string(std::time(nullptr)));
  fs::create_directory(dir);
  std::vector<fold> folds;
  for (auto& each : traces)
    for (auto& part : folds_of(each, dir, only, whole))
      folds.push_back(part);
  if (!whole)
    for (auto& each : generated(dir, only))
      folds.push_back(each);
  std::vector<double> gaps;
  if (gain) {
    print_lstm_gain(folds);
  } else {
    std::printf("%-26s %6s %4s  per merged arm: of the oracle's access|distinct, moved; the best "
                "simple one; above it\n",
                "trace", "extents", "dec");
    for (auto& each : folds)
      run(each, arms, gaps);
  }
  fs::remove_all(dir);
  if (!gaps.empty())
    std::printf("worst against the best simple method: %.1f points\n",
                *std::min_element(gaps.begin(), gaps.end()));
}
