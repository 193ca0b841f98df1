// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/experts.hpp"
#include "core/forecast/learned_arm.hpp"
#include "core/forecast/lstm.hpp"
#include "core/forecast/lstm_fused.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace foreshift;

namespace {

constexpr std::uint32_t inputs = 5, units = 3;
constexpr std::size_t rows = 4;

std::vector<float> numbers(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  std::vector<float> out(count);
  for (auto& each : out)
    each = static_cast<float>(bits() >> 40) / (1u << 23) - 1;
  return out;
}

lstm_state some_state(std::uint64_t seed) {
  return {numbers(rows * units, seed), numbers(rows * units, seed + 1)};
}

/// The textbook, one number at a time, in double precision.
double plain_step(const lstm_weights& w, const float* x, std::vector<double>& h,
                  std::vector<double>& c) {
  auto columns = w.inputs, width = w.hidden;
  auto logistic = [](double v) { return 1 / (1 + std::exp(-v)); };
  auto sum = [&](std::size_t gate, std::size_t unit) {
    auto column = gate * width + unit;
    double out = w.gates[(columns + width) * 4 * width + column];
    for (std::size_t i = 0; i < columns; ++i)
      out += double{x[i]} * w.gates[i * 4 * width + column];
    for (std::size_t i = 0; i < width; ++i)
      out += h[i] * w.gates[(columns + i) * 4 * width + column];
    return out;
  };
  std::vector<double> next(width);
  for (std::size_t unit = 0; unit < width; ++unit) {
    c[unit] = logistic(sum(1, unit)) * c[unit] + logistic(sum(0, unit)) * std::tanh(sum(2, unit));
    next[unit] = logistic(sum(3, unit)) * std::tanh(c[unit]);
  }
  h = next;
  double out = w.head[width];
  for (std::size_t unit = 0; unit < width; ++unit)
    out += h[unit] * w.head[unit];
  return out;
}

} // namespace

TEST_CASE("lstm: a batch agrees with the textbook, row by row, over several steps") {
  auto w = lstm_weights::random(inputs, units, 7);
  auto state = some_state(1);
  std::vector<std::vector<double>> h, c;
  for (std::size_t row = 0; row < rows; ++row) {
    auto* at = state.hidden.data() + row * units;
    h.emplace_back(at, at + units);
    at = state.cell.data() + row * units;
    c.emplace_back(at, at + units);
  }
  for (std::uint64_t step = 0; step < 3; ++step) {
    auto x = numbers(rows * inputs, 20 + step);
    auto y = lstm_step(w, x, state);
    for (std::size_t row = 0; row < rows; ++row)
      CHECK(y[row]
            == doctest::Approx(plain_step(w, &x[row * inputs], h[row], c[row])).epsilon(1e-5));
  }
}

TEST_CASE("lstm: fused steps agree with the textbook, for every number of rows") {
  constexpr std::uint32_t wide = lstm_batch::units;
  auto w = lstm_weights::random(27, wide, 5);
  for (auto& each : w.gates)
    each *= 4; // gates also shut and open wide
  for (std::size_t count : {1u, 5u, 6u, 7u, 13u, 64u}) {
    lstm_state state{numbers(count * wide, 1), numbers(count * wide, 2)};
    auto before = state;
    auto x = numbers(count * w.inputs, 3);
    auto y = lstm_step(w, x, state);
    REQUIRE(y.size() == count);
    for (std::size_t row = 0; row < count; ++row) {
      auto part = [&](const std::vector<float>& of) {
        return std::vector<double>(of.begin() + static_cast<std::ptrdiff_t>(row * wide),
                                   of.begin() + static_cast<std::ptrdiff_t>((row + 1) * wide));
      };
      auto h = part(before.hidden), c = part(before.cell);
      CHECK(std::abs(y[row] - plain_step(w, &x[row * w.inputs], h, c)) < 1e-5);
      for (std::size_t i = 0; i < wide; ++i) {
        CHECK(std::abs(state.hidden[row * wide + i] - h[i]) < 1e-5);
        CHECK(std::abs(state.cell[row * wide + i] - c[i]) < 1e-5);
      }
    }
  }
}

TEST_CASE("lstm: huge inputs saturate the gates and stay numbers") {
  auto w = lstm_weights::random(27, lstm_batch::units, 5);
  lstm_state state{std::vector<float>(lstm_batch::units), std::vector<float>(lstm_batch::units)};
  std::vector<float> x(27, 1e6f);
  for (int i = 0; i < 100; ++i)
    for (auto y : lstm_step(w, x, state))
      CHECK(std::isfinite(y));
}

TEST_CASE("lstm: the shipped weights are of the engine's shape and were trained") {
  auto w = shipped_lstm();
  CHECK(w.inputs
        == make_experts().size() + learned_arm::time_inputs + learned_arm::activity_inputs);
  CHECK(w.hidden == learned_arm::units);
  CHECK(w != lstm_weights::random(w.inputs, w.hidden, 1));
}

TEST_CASE("lstm: inputs that were added count nothing until they are learnt") {
  auto narrow = lstm_weights::random(inputs, units, 7);
  auto wide = narrow.widened(2);
  CHECK(wide.inputs == inputs + 2);
  auto x = numbers(rows * inputs, 30);
  std::vector<float> with_more;
  for (std::size_t row = 0; row < rows; ++row) {
    auto from = x.begin() + static_cast<std::ptrdiff_t>(row * inputs);
    with_more.insert(with_more.end(), from, from + inputs);
    with_more.insert(with_more.end(), {0.5f, 1.0f});
  }
  auto one = some_state(3), other = one;
  auto y = lstm_step(narrow, x, one), z = lstm_step(wide, with_more, other);
  for (std::size_t row = 0; row < rows; ++row)
    CHECK(y[row] == doctest::Approx(z[row]).epsilon(1e-5));
}

TEST_CASE("lstm: gradients through time agree with finite differences") {
  auto w = lstm_weights::random(inputs, units, 7);
  std::vector<std::vector<float>> steps;
  for (std::uint64_t i = 0; i < 3; ++i)
    steps.push_back(numbers(rows * inputs, 30 + i));
  auto before = some_state(3);
  std::vector<float> targets{0, 0.5f, 2, 1};
  auto got = lstm_learn(w, steps, before, targets);
  auto check = [&](std::vector<float> lstm_weights::*part, const std::vector<float>& gradient) {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      constexpr float change = 1e-2f;
      auto up = w, down = w;
      (up.*part)[i] += change;
      (down.*part)[i] -= change;
      auto slope = (lstm_learn(up, steps, before, targets).loss
                    - lstm_learn(down, steps, before, targets).loss)
                   / (2 * change);
      CHECK(std::abs(gradient[i] - slope) < 2e-3 * std::max(1.0, std::abs(slope)));
    }
  };
  check(&lstm_weights::gates, got.gates);
  check(&lstm_weights::head, got.head);
}

TEST_CASE("lstm: learns what only memory can tell") {
  // The target is what the first input was two steps ago.
  auto w = lstm_weights::random(inputs, units, 7);
  lstm_optimizer optimizer(1e-2f);
  double first = 0, last = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    std::vector<std::vector<float>> steps;
    for (std::uint64_t j = 0; j < 3; ++j)
      steps.push_back(numbers(rows * inputs, 1000 + 3 * i + j));
    std::vector<float> targets;
    for (std::size_t row = 0; row < rows; ++row)
      targets.push_back(steps[0][row * inputs] > 0 ? 3.0f : 0.0f);
    auto got = lstm_learn(
        w, steps, {std::vector<float>(rows * units), std::vector<float>(rows * units)}, targets);
    (i < 100 ? first : last) += i < 100 || i >= 500 ? got.loss : 0;
    optimizer.apply(w, got);
  }
  CHECK(last < first - 50); // 100 steps each
}

TEST_CASE("lstm weights: are read as they were written") {
  auto w = lstm_weights::random(inputs, units, 7);
  auto got = lstm_weights::load(w.save(), inputs, units);
  REQUIRE(got);
  CHECK(*got == w);
}

TEST_CASE("lstm weights: another shape, another version, a cut or rubbish is said clearly") {
  auto bytes = lstm_weights::random(inputs, units, 7).save();
  auto detail = [&](const std::string& given, std::uint32_t in = inputs, std::uint32_t un = units) {
    auto got = lstm_weights::load(given, in, un);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::malformed);
    return got.error().detail;
  };
  CHECK(detail(bytes, 6).find("of 5 inputs and 3 units, not of 6 and 3") != std::string::npos);
  CHECK(detail(bytes, inputs, 4).find("not of 5 and 4") != std::string::npos);
  auto other = bytes;
  other[4] = 9;
  CHECK(detail(other).find("version 9, not 1") != std::string::npos);
  CHECK(detail(bytes.substr(0, bytes.size() - 1)).find("cut off") != std::string::npos);
  CHECK(detail(bytes + "x").find("too long") != std::string::npos);
  CHECK(detail("").find("not a weights file") != std::string::npos);
  auto odd = bytes;
  odd.replace(odd.size() - 4, 4, "\xff\xff\xff\x7f");
  CHECK(detail(odd).find("not numbers") != std::string::npos);
}
