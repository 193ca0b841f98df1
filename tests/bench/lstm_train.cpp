// SPDX-License-Identifier: Apache-2.0
// lstm_train OUT [--seed N] [--batches N] [--check TRACE] [TRACE ...]: the LSTM's first weights,
// from generated traces and the given ones. The engine runs over each trace and notes, for a sample
// of extents, what its experts said at each decision and what came; then random weights learn,
// through eight decisions in time, to tell the second from the first. Prints the loss on traces
// that were held out. The same seed and traces give the same weights on the same kind of processor.
#include "core/forecast/backtest/survey.hpp"
#include "core/forecast/engine.hpp"
#include "core/forecast/experts.hpp"
#include "core/trace/trace_reader.hpp"
#include "core/trace/workload.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>

using namespace foreshift;

namespace {

constexpr std::size_t history = 8; ///< Decisions an example goes back.
constexpr std::size_t batch_rows = 256;

/// One extent at consecutive decisions, and what came after the last.
struct sequence {
  std::vector<float> inputs;
  float target = 0;
};

/// What one trace teaches.
struct lessons {
  std::vector<sequence> quiet; ///< Nothing came.
  std::vector<sequence> busy;
};

class collector {
public:
  explicit collector(lstm_weights start)
      : inputs_(start.inputs),
        engine_({.horizon_ms = 300'000,
                 .more_horizons_ms = {},
                 .lstm_start = std::make_shared<const lstm_weights>(std::move(start)),
                 .study_apart = true}) {
    engine_.watch([this](const learned_arm::example& x) { note(x); });
  }

  void observe(const foreshift::access& x) { engine_.observe(x); }
  lessons take() { return std::move(out_); }

private:
  void note(const learned_arm::example& x) {
    std::map<std::uint32_t, std::vector<float>> now;
    for (std::size_t row = 0; row < x.extents.size(); ++row) {
      auto* from = x.inputs.data() + row * inputs_;
      auto& to = now[x.extents[row]];
      if (auto before = seen_.find(x.extents[row]); before != seen_.end())
        to = std::move(before->second);
      to.insert(to.end(), from, from + inputs_);
      if (to.size() > history * inputs_)
        to.erase(to.begin(), to.begin() + inputs_);
      if (to.size() == history * inputs_)
        (x.targets[row] > 0 ? out_.busy : out_.quiet).push_back({to, x.targets[row]});
    }
    seen_ = std::move(now);
  }

  std::uint32_t inputs_;
  forecast_engine engine_;
  std::map<std::uint32_t, std::vector<float>> seen_; ///< Of extents in the last decision's sample.
  lessons out_;
};

lessons from_generator(const workload_options& options, const lstm_weights& start) {
  collector into(start);
  auto made = workload::make(options);
  for (trace_request x; made->next(x);)
    into.observe(to_access(x, 0));
  return into.take();
}

lessons from_file(const std::string& path, const lstm_weights& start) {
  auto reader = trace_reader::open(path, {});
  if (!reader) {
    std::cerr << reader.error().detail << '\n';
    std::exit(1);
  }
  collector into(start);
  std::vector<trace_request> batch(4096);
  std::int64_t start_us = -1;
  for (auto count = batch.size(); count == batch.size();) {
    auto got = reader->read(batch);
    if (!got) {
      std::cerr << got.error().detail << '\n';
      std::exit(1);
    }
    count = *got;
    for (auto& x : std::span{batch}.first(count)) {
      start_us = start_us < 0 ? x.at_us : start_us;
      into.observe(to_access(x, start_us));
    }
  }
  return into.take();
}

/// A batch of one trace's sequences: as many where something came as where nothing did. The second
/// are many more, so that the loss weighs them less; the merge learns the rest.
struct batch {
  std::vector<std::vector<float>> steps;
  std::vector<float> targets;
};

batch draw(const lessons& from, std::uint32_t inputs, std::mt19937_64& random) {
  batch out;
  out.steps.assign(history, std::vector<float>(batch_rows * inputs));
  for (std::size_t row = 0; row < batch_rows; ++row) {
    auto& of = (row % 2 == 0 && !from.busy.empty()) || from.quiet.empty() ? from.busy : from.quiet;
    auto& one = of[random() % of.size()];
    for (std::size_t step = 0; step < history; ++step)
      std::copy_n(one.inputs.begin() + static_cast<std::ptrdiff_t>(step * inputs), inputs,
                  out.steps[step].begin() + static_cast<std::ptrdiff_t>(row * inputs));
    out.targets.push_back(one.target);
  }
  return out;
}

lstm_state nothing(std::uint32_t units) {
  return {std::vector<float>(batch_rows * units), std::vector<float>(batch_rows * units)};
}

double loss_on(const lessons& held_out, const lstm_weights& weights) {
  std::mt19937_64 random(99);
  double sum = 0;
  constexpr int batches = 40;
  for (int i = 0; i < batches; ++i) {
    auto each = draw(held_out, weights.inputs, random);
    sum += lstm_learn(weights, each.steps, nothing(weights.hidden), each.targets).loss;
  }
  return sum / batches;
}

} // namespace

int main(int argc, char** argv) {
  std::uint64_t seed = 1;
  long batches = 8000;
  std::string out;
  std::vector<std::string> traces, checks;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--seed" && i + 1 < argc)
      seed = std::strtoull(argv[++i], nullptr, 10);
    else if (word == "--batches" && i + 1 < argc)
      batches = std::atol(argv[++i]);
    else if (word == "--check" && i + 1 < argc)
      checks.emplace_back(argv[++i]);
    else if (out.empty())
      out = word;
    else
      traces.push_back(word);
  }
  if (out.empty()) {
    std::cerr << "usage: lstm_train OUT [--seed N] [--batches N] [--check TRACE] [TRACE ...]\n";
    return 2;
  }
  auto inputs = static_cast<std::uint32_t>(make_experts().size()) + learned_arm::time_inputs;
  // Traces tell nothing of a VCI's activity: what it means is learnt where it is measured.
  auto weights =
      lstm_weights::random(inputs, learned_arm::units, seed).widened(learned_arm::activity_inputs);

  std::vector<lessons> all;
  std::map<std::string, lessons> held_out;
  auto take = [&](const std::string& name, lessons got, bool hold) {
    std::printf("%-12s %8zu with accesses, %8zu without%s\n", name.c_str(), got.busy.size(),
                got.quiet.size(), hold ? ", held out" : "");
    std::fflush(stdout);
    if (hold)
      held_out[name] = std::move(got);
    else if (!got.busy.empty())
      all.push_back(std::move(got));
  };
  constexpr std::int64_t hour_us = 3'600'000'000ll;
  for (auto kind : {workload_kind::streams, workload_kind::zipf, workload_kind::daily,
                    workload_kind::scan, workload_kind::boot})
    for (std::uint64_t i = 0; i < 3; ++i) {
      auto hours = kind == workload_kind::daily ? 26 : 1;
      auto name = std::to_string(static_cast<int>(kind)) + '-' + std::to_string(seed * 1000 + i);
      take(name, from_generator({kind, hours * hour_us, 16ull << 30, seed * 1000 + i}, weights),
           i == 2);
    }
  for (auto& each : traces)
    take(each.substr(each.rfind('/') + 1), from_file(each, weights), false);
  for (auto& each : checks)
    take(each.substr(each.rfind('/') + 1), from_file(each, weights), true);

  std::mt19937_64 random(seed);
  lstm_optimizer optimizer(2e-3f);
  for (long i = 0; i <= batches; ++i) {
    if (i % (batches / 10) == 0) {
      std::printf("%6ld", i);
      for (auto& [name, each] : held_out)
        std::printf("  %s %.4f", name.c_str(), loss_on(each, weights));
      std::printf("\n");
      std::fflush(stdout);
    }
    auto each = draw(all[random() % all.size()], inputs, random);
    optimizer.apply(weights,
                    lstm_learn(weights, each.steps, nothing(weights.hidden), each.targets));
  }
  std::ofstream file(out, std::ios::binary);
  file << weights.save();
  return file.flush() ? 0 : 1;
}
