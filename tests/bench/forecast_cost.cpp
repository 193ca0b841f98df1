// SPDX-License-Identifier: Apache-2.0
// bench_forecast_cost [EXTENTS]: CPU time of a decision over so many active extents (1,000,000)
// with and without the LSTM, memory per extent, and an LSTM step.
// bench_forecast_cost --lstm FILE ROWS: one step over a batch; weights, inputs and outputs go to
// FILE, its CPU time to stdout, for lstm_torch.py.
#include "core/forecast/engine.hpp"
#include "core/forecast/lstm.hpp"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <utility>

using namespace foreshift;

namespace {

double cpu_s() {
  timespec at{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

double allocated_bytes() {
  auto now = mallinfo2();
  return static_cast<double>(now.uordblks + now.hblkhd);
}

void decide(std::size_t extents, bool lstm) {
  auto before = allocated_bytes();
  {
    forecast_engine engine({.horizon_ms = 300'000,
                            .extents_max = 1u << 21,
                            .lstm = lstm,
                            .budget_extents = extents / 20});
    std::mt19937_64 random(1);
    constexpr std::int64_t minutes = 6; // the first verdict comes after five
    for (std::int64_t now_ms = 0; now_ms < minutes * 60'000; now_ms += 1000) {
      for (std::size_t i = 0; i < extents / 60; ++i) {
        auto whole = now_ms < 60'000 ? (static_cast<std::size_t>(now_ms / 1000) + i * 60) % extents
                                     : random() % (1 + random() % extents);
        engine.observe({now_ms, (whole << 20) + random() % 256 * 4096, 4096, i % 3 == 0});
        if (now_ms >= 60'000 && i > 2000)
          break;
      }
      engine.advance(now_ms + 1000);
    }
    auto began = cpu_s();
    auto chosen = engine.choose(extents / 20);
    auto passed = cpu_s() - began;
    auto held = (allocated_bytes() - before) / static_cast<double>(extents);
    std::printf("decision over %zu extents, %s LSTM: %.3f s, %zu chosen; %.0f bytes an extent "
                "held, trials and lessons included\n",
                extents, lstm ? "with" : "without", passed, chosen.size(), held);
  }
}

struct batch {
  /// As the learned arm takes them.
  static constexpr std::uint32_t inputs = 31, units = learned_arm::units;
  static constexpr std::size_t rows_usual = 256;
  std::size_t rows;
  lstm_weights weights = lstm_weights::random(inputs, units, 7);
  std::vector<float> x;
  lstm_state before;

  explicit batch(std::size_t rows_wanted) : rows(rows_wanted) {
    std::mt19937_64 bits(3);
    auto fill = [&](std::vector<float>& to, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i)
        to.push_back(static_cast<float>(bits() >> 40) / (1u << 23) - 1);
    };
    fill(x, rows * inputs);
    fill(before.hidden, rows * units);
    fill(before.cell, rows * units);
  }
};

double step_ns(const batch& of, std::vector<float>& y) {
  auto best = 1e9;
  for (int i = 0; i < 200; ++i) {
    auto state = of.before;
    auto began = cpu_s();
    y = lstm_step(of.weights, of.x, state);
    best = std::min(best, cpu_s() - began);
  }
  return best * 1e9 / static_cast<double>(of.rows);
}

int lstm_to(const char* path, std::size_t rows) {
  batch of(rows);
  std::vector<float> y;
  auto ns = step_ns(of, y);
  std::ofstream out(path, std::ios::binary);
  for (std::uint32_t number : {batch::inputs, batch::units, static_cast<std::uint32_t>(rows)})
    out.write(reinterpret_cast<const char*>(&number), sizeof number);
  for (const std::vector<float>* part :
       {&std::as_const(of.weights.gates), &std::as_const(of.weights.head), &std::as_const(of.x),
        &std::as_const(of.before.hidden), &std::as_const(of.before.cell), &std::as_const(y)})
    out.write(reinterpret_cast<const char*>(part->data()),
              static_cast<std::streamsize>(part->size() * sizeof(float)));
  std::printf("%.1f\n", ns);
  return out.good() ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc == 4 && std::string{argv[1]} == "--lstm")
    return lstm_to(argv[2], std::strtoull(argv[3], nullptr, 10));
  auto extents = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  std::vector<float> y;
  std::printf("LSTM step: %.0f ns an extent\n", step_ns(batch(batch::rows_usual), y));
  decide(extents, false);
  decide(extents, true);
}
