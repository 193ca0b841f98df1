// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/lstm.hpp"

#include "core/forecast/decayed_array.hpp"
#include "core/forecast/lstm_fused.hpp"

#include <cblas.h>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <random>

namespace foreshift {

namespace {

constexpr float output_max = 8;

/// OpenBLAS would start threads of its own that fight those of the actors.
void one_blas_thread() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

/// c += a b, each maybe transposed; row-major, `m` x `n` over `k`.
void multiply(bool turn_a, bool turn_b, std::size_t m, std::size_t n, std::size_t k, const float* a,
              const float* b, float* c) {
  auto i = [](std::size_t x) { return static_cast<blasint>(x); };
  cblas_sgemm(CblasRowMajor, turn_a ? CblasTrans : CblasNoTrans, turn_b ? CblasTrans : CblasNoTrans,
              i(m), i(n), i(k), 1, a, i(turn_a ? m : k), b, i(turn_b ? k : n), 1, c, i(n));
}

/// Exact to some 1e-7: a rational approximation with the coefficients of Eigen's.
[[gnu::always_inline]] inline float tanh_of(float x) {
  constexpr float limit = 7.90531110763549805f;
  x = std::min(std::max(x, -limit), limit);
  auto q = x * x;
  auto over = 2.00018790482477e-13f - 2.76076847742355e-16f * q;
  over = over * q - 8.60467152213735e-11f;
  over = over * q + 5.12229709037114e-08f;
  over = over * q + 1.48572235717979e-05f;
  over = over * q + 6.37261928875436e-04f;
  over = over * q + 4.89352455891786e-03f;
  auto under = 1.18534705686654e-04f + 1.19825839466702e-06f * q;
  under = under * q + 2.26843463243900e-03f;
  under = under * q + 4.89352518554385e-03f;
  return x * over / under;
}

// Loops that the compiler turns into wide instructions where the processor has them.
#define FORESHIFT_WIDE __attribute__((target_clones("arch=x86-64-v3", "default")))

/// Sums of gates into their values: input, forget, candidate, output; the logistic function is half
/// a tanh.
FORESHIFT_WIDE void open_gates(float* gates, std::size_t rows, std::size_t units) {
  for (std::size_t row = 0; row < rows; ++row, gates += 4 * units) {
    for (std::size_t i = 0; i < 2 * units; ++i)
      gates[i] = 0.5f * tanh_of(0.5f * gates[i]) + 0.5f;
    for (std::size_t i = 2 * units; i < 3 * units; ++i)
      gates[i] = tanh_of(gates[i]);
    for (std::size_t i = 3 * units; i < 4 * units; ++i)
      gates[i] = 0.5f * tanh_of(0.5f * gates[i]) + 0.5f;
  }
}

/// One row through its gates.
FORESHIFT_WIDE void pass(const float* __restrict gates, std::size_t units, float* __restrict cell,
                         float* __restrict cell_tanh, float* __restrict hidden) {
  for (std::size_t i = 0; i < units; ++i) {
    cell[i] = gates[units + i] * cell[i] + gates[i] * gates[2 * units + i];
    cell_tanh[i] = tanh_of(cell[i]);
    hidden[i] = gates[3 * units + i] * cell_tanh[i];
  }
}
#undef FORESHIFT_WIDE

/// What one step computed, as the way back needs it.
struct trace_of_step {
  lstm_state before;
  xt::xtensor<float, 2> gates; ///< After their functions: input, forget, candidate, output.
  xt::xtensor<float, 2> cell_tanh;
};

trace_of_step forward(const lstm_weights& by, std::span<const float> inputs, lstm_state& state) {
  one_blas_thread();
  std::size_t units = by.hidden, rows = inputs.size() / by.inputs;
  trace_of_step out{state, xt::empty<float>({rows, 4 * units}), {}};
  auto* gates = by.gates.data();
  auto* bias = gates + (by.inputs + units) * 4 * units;
  for (std::size_t row = 0; row < rows; ++row)
    std::copy_n(bias, 4 * units, out.gates.data() + row * 4 * units);
  multiply(false, false, rows, 4 * units, by.inputs, inputs.data(), gates, out.gates.data());
  multiply(false, false, rows, 4 * units, units, state.hidden.data(), gates + by.inputs * 4 * units,
           out.gates.data());
  open_gates(out.gates.data(), rows, units);
  out.cell_tanh = xt::empty<float>({rows, units});
  for (std::size_t row = 0; row < rows; ++row)
    pass(out.gates.data() + row * 4 * units, units, state.cell.data() + row * units,
         out.cell_tanh.data() + row * units, state.hidden.data() + row * units);
  return out;
}

std::vector<float> outputs(const lstm_weights& by, const lstm_state& state) {
  auto rows = state.hidden.size() / by.hidden;
  std::vector<float> out(rows, by.head.back());
  cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<blasint>(rows),
              static_cast<blasint>(by.hidden), 1, state.hidden.data(),
              static_cast<blasint>(by.hidden), by.head.data(), 1, 1, out.data(), 1);
  return out;
}

/// One step back: from what the hidden state and the cell after it owe to what those before owe.
void backward(const lstm_weights& by, std::span<const float> inputs, const trace_of_step& step,
              std::vector<float>& hidden_owes, std::vector<float>& cell_owes,
              lstm_gradients& into) {
  std::size_t units = by.hidden, rows = inputs.size() / by.inputs, width = 4 * units;
  std::vector<float> gates_owe(rows * width);
  for (std::size_t row = 0; row < rows; ++row) {
    auto* g = step.gates.data() + row * width;
    auto* owe = gates_owe.data() + row * width;
    for (std::size_t i = 0; i < units; ++i) {
      auto at = row * units + i;
      auto in = g[i], forget = g[units + i], fresh = g[2 * units + i], out = g[3 * units + i];
      auto t = step.cell_tanh(row, i);
      auto cell = cell_owes[at] + hidden_owes[at] * out * (1 - t * t);
      owe[i] = cell * fresh * in * (1 - in);
      owe[units + i] = cell * step.before.cell[at] * forget * (1 - forget);
      owe[2 * units + i] = cell * in * (1 - fresh * fresh);
      owe[3 * units + i] = hidden_owes[at] * t * out * (1 - out);
      cell_owes[at] = cell * forget;
    }
  }
  auto* to = into.gates.data();
  multiply(true, false, by.inputs, width, rows, inputs.data(), gates_owe.data(), to);
  multiply(true, false, units, width, rows, step.before.hidden.data(), gates_owe.data(),
           to + by.inputs * width);
  std::vector<float> ones(rows, 1);
  multiply(false, false, 1, width, rows, ones.data(), gates_owe.data(),
           to + (by.inputs + units) * width);
  std::fill(hidden_owes.begin(), hidden_owes.end(), 0.0f);
  multiply(false, true, rows, units, width, gates_owe.data(), by.gates.data() + by.inputs * width,
           hidden_owes.data());
}

} // namespace

lstm_weights lstm_weights::widened(std::uint32_t more) const {
  auto out = *this;
  auto width = std::size_t{4} * hidden;
  out.gates.insert(out.gates.begin() + static_cast<std::ptrdiff_t>(inputs * width), more * width,
                   0);
  out.inputs += more;
  return out;
}

lstm_weights lstm_weights::random(std::uint32_t inputs, std::uint32_t hidden, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  auto next = [&](float size) {
    return size * (static_cast<float>(bits() >> 40) / (1u << 23) - 1);
  };
  lstm_weights out{inputs, hidden, {}, {}};
  auto size = 1 / std::sqrt(static_cast<float>(inputs + hidden));
  out.gates.resize(std::size_t{inputs + hidden + 1} * 4 * hidden);
  for (auto& each : out.gates)
    each = next(size);
  auto bias = out.gates.end() - 4 * static_cast<std::ptrdiff_t>(hidden);
  std::fill(bias, out.gates.end(), 0.0f);
  std::fill(bias + hidden, bias + 2 * static_cast<std::ptrdiff_t>(hidden), 1.0f);
  out.head.resize(hidden + 1);
  for (auto& each : out.head)
    each = next(size);
  out.head.back() = -2;
  return out;
}

std::vector<float> lstm_step(const lstm_weights& by, std::span<const float> inputs,
                             lstm_state& state) {
  if (by.hidden == lstm_batch::units) {
    std::vector<float> out(inputs.size() / by.inputs);
    lstm_fused_step({by.gates.data(), by.head.data(), inputs.data(), out.size(), by.inputs,
                     state.hidden.data(), state.cell.data(), out.data()});
    return out;
  }
  forward(by, inputs, state);
  return outputs(by, state);
}

lstm_gradients lstm_learn(const lstm_weights& by, std::span<const std::vector<float>> steps,
                          const lstm_state& before, std::span<const float> targets) {
  auto rows = targets.size();
  lstm_gradients out;
  out.gates.resize(by.gates.size());
  out.head.resize(by.head.size());
  auto state = before;
  std::vector<trace_of_step> passed;
  for (auto& inputs : steps)
    passed.push_back(forward(by, inputs, state));
  auto y = outputs(by, state);
  std::vector<float> hidden_owes(rows * by.hidden), cell_owes(rows * by.hidden);
  for (std::size_t row = 0; row < rows; ++row) {
    auto expected = std::exp(std::min(y[row], output_max));
    out.loss += (expected - targets[row] * y[row]) / static_cast<double>(rows);
    auto owes = (expected - targets[row]) / static_cast<float>(rows);
    for (std::size_t i = 0; i < by.hidden; ++i) {
      out.head[i] += owes * state.hidden[row * by.hidden + i];
      hidden_owes[row * by.hidden + i] = owes * by.head[i];
    }
    out.head.back() += owes;
  }
  for (auto i = steps.size(); i-- > 0;)
    backward(by, steps[i], passed[i], hidden_owes, cell_owes, out);
  return out;
}

void lstm_optimizer::apply(lstm_weights& to, const lstm_gradients& by) {
  constexpr float norm_max = 1, mean_decay = 0.9f, square_decay = 0.999f;
  double norm = 0;
  for (auto* part : {&by.gates, &by.head})
    for (auto each : *part)
      norm += double{each} * each;
  auto scale = static_cast<float>(norm > norm_max ? norm_max / std::sqrt(norm) : 1);
  if (!std::isfinite(norm))
    return;
  mean_.resize(to.gates.size() + to.head.size());
  square_.resize(mean_.size());
  ++steps_;
  auto mean_full = static_cast<float>(1 - std::pow(mean_decay, steps_));
  auto square_full = static_cast<float>(1 - std::pow(square_decay, steps_));
  auto move = [&](std::vector<float>& values, const std::vector<float>& gradient, std::size_t at) {
    for (std::size_t i = 0; i < values.size(); ++i, ++at) {
      auto g = scale * gradient[i];
      mean_[at] += (1 - mean_decay) * (g - mean_[at]);
      square_[at] += (1 - square_decay) * (g * g - square_[at]);
      values[i] -= rate_ * (mean_[at] / mean_full) / (std::sqrt(square_[at] / square_full) + 1e-8f);
    }
  };
  move(to.gates, by.gates, 0);
  move(to.head, by.head, to.gates.size());
}

} // namespace foreshift
