// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace foreshift {

/// One step of a batch with 16 hidden units, all row-major as in `lstm_weights` and `lstm_state`.
struct lstm_batch {
  static constexpr std::uint32_t units = 16;

  const float* gates;
  const float* head;
  const float* inputs;
  std::size_t rows;
  std::uint32_t inputs_count;
  float* hidden; ///< Becomes the next state, as does `cell`.
  float* cell;
  float* out; ///< One per row.
};

/// Sums, gates and outputs of a few rows at a time without leaving the registers: for a layer this
/// narrow a matrix product on its own moves more numbers than it multiplies. Results differ between
/// processors by rounding only.
void lstm_fused_step(const lstm_batch& x);

} // namespace foreshift
