// SPDX-License-Identifier: Apache-2.0
// Included by the files that compile it for one instruction set each. No inline function that is
// not a template over the instruction set may be called here: the linker could keep this file's
// copy of it for everyone.
#pragma once

#include "core/forecast/lstm_fused.hpp"

#include <utility>
#include <xsimd/xsimd.hpp>

namespace foreshift {

template <class Arch>
class lstm_kernel {
public:
  /// `Rows` at a time, as many as there are registers for.
  template <std::size_t Rows>
  static void run(const lstm_batch& x) {
    std::size_t row = 0;
    for (; row + Rows <= x.rows; row += Rows)
      block<Rows>(x, row);
    for (; row < x.rows; ++row)
      block<1>(x, row);
  }

private:
  using wide = xsimd::batch<float, Arch>;

  static constexpr std::size_t units = lstm_batch::units;
  static constexpr std::size_t width = 4 * units;
  static constexpr std::size_t parts = units / wide::size; ///< Vectors a gate.

  template <std::size_t Count, class Act>
  [[gnu::always_inline]] static void each(Act act) {
    [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
      (act(std::integral_constant<std::size_t, I>{}), ...);
    }
    (std::make_index_sequence<Count>{});
  }

  struct fraction {
    wide over;
    wide under;
  };

  /// tanh as a fraction, exact to some 1e-7: a rational approximation with Eigen's coefficients.
  [[gnu::always_inline]] static fraction tanh_of(wide v) {
    constexpr float limit = 7.90531110763549805f;
    v = xsimd::min(xsimd::max(v, wide(-limit)), wide(limit));
    auto q = v * v;
    auto over = xsimd::fma(wide(-2.76076847742355e-16f), q, wide(2.00018790482477e-13f));
    over = xsimd::fma(over, q, wide(-8.60467152213735e-11f));
    over = xsimd::fma(over, q, wide(5.12229709037114e-08f));
    over = xsimd::fma(over, q, wide(1.48572235717979e-05f));
    over = xsimd::fma(over, q, wide(6.37261928875436e-04f));
    over = xsimd::fma(over, q, wide(4.89352455891786e-03f));
    auto under = xsimd::fma(wide(1.19825839466702e-06f), q, wide(1.18534705686654e-04f));
    under = xsimd::fma(under, q, wide(2.26843463243900e-03f));
    under = xsimd::fma(under, q, wide(4.89352518554385e-03f));
    return {over * v, under};
  }

  /// `sums` of the four gates of some units; the logistic function is half a tanh. Four quotients
  /// at the price of one: division is the slowest of all instructions here.
  [[gnu::always_inline]] static wide pass(wide in, wide forget, wide fresh, wide out, float* cell,
                                          float* hidden) {
    wide half(0.5f), one(1.0f);
    auto i = tanh_of(in * half), f = tanh_of(forget * half), g = tanh_of(fresh),
         o = tanh_of(out * half);
    auto first = i.under * f.under, second = g.under * o.under;
    auto inverse = one / (first * second);
    auto of_first = inverse * second, of_second = inverse * first;
    auto opened = xsimd::fma(half, i.over * f.under * of_first, half);
    auto kept = xsimd::fma(half, f.over * i.under * of_first, half);
    auto candidate = g.over * o.under * of_second;
    auto shown = xsimd::fma(half, o.over * g.under * of_second, half);
    auto next = xsimd::fma(kept, wide::load_unaligned(cell), opened * candidate);
    next.store_unaligned(cell);
    auto t = tanh_of(next);
    auto state = shown * (t.over / t.under);
    state.store_unaligned(hidden);
    return state;
  }

  template <std::size_t Rows>
  [[gnu::always_inline]] static void add(wide (&sums)[Rows][4 * parts], const float* weights,
                                         const float* values, std::size_t count,
                                         std::size_t stride) {
    for (std::size_t k = 0; k < count; ++k, weights += width) {
      wide by[4 * parts];
      each<4 * parts>([&](auto j) { by[j] = wide::load_unaligned(weights + j * wide::size); });
      each<Rows>([&](auto r) {
        wide value(values[r * stride + k]);
        each<4 * parts>([&](auto j) { sums[r][j] = xsimd::fma(by[j], value, sums[r][j]); });
      });
    }
  }

  template <std::size_t Rows>
  static void block(const lstm_batch& x, std::size_t row) {
    wide sums[Rows][4 * parts];
    auto* recurrent = x.gates + x.inputs_count * width;
    auto* bias = recurrent + units * width;
    each<4 * parts>([&](auto j) {
      auto by = wide::load_unaligned(bias + j * wide::size);
      each<Rows>([&](auto r) { sums[r][j] = by; });
    });
    auto* hidden = x.hidden + row * units;
    auto* cell = x.cell + row * units;
    add<Rows>(sums, x.gates, x.inputs + row * x.inputs_count, x.inputs_count, x.inputs_count);
    add<Rows>(sums, recurrent, hidden, units, units);
    each<Rows>([&](auto r) {
      wide answer(0.0f);
      each<parts>([&](auto p) {
        auto at = r * units + p * wide::size;
        auto state = pass(sums[r][p], sums[r][parts + p], sums[r][2 * parts + p],
                          sums[r][3 * parts + p], cell + at, hidden + at);
        answer = xsimd::fma(state, wide::load_unaligned(x.head + p * wide::size), answer);
      });
      x.out[row + r] = xsimd::hadd(answer) + x.head[units];
    });
  }
};

} // namespace foreshift
