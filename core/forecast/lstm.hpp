// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// The numbers of an LSTM cell (Hochreiter and Schmidhuber, 1997) with one output, shared by all
/// extents. `gates` has a row per input, per hidden unit and for the bias, and a column per hidden
/// unit for each of the input gate, forget gate, candidate and output gate.
struct lstm_weights {
  std::uint32_t inputs = 0;
  std::uint32_t hidden = 0;
  std::vector<float> gates;
  std::vector<float> head; ///< Per hidden unit, then the bias.

  /// Small random numbers, forget gates open.
  static lstm_weights random(std::uint32_t inputs, std::uint32_t hidden, std::uint64_t seed);

  /// The same with so many inputs more, which count nothing yet.
  lstm_weights widened(std::uint32_t more) const;

  std::string save() const;
  /// `malformed` when it is no weights file of this version or not of this shape.
  static result<lstm_weights> load(std::string_view bytes, std::uint32_t inputs,
                                   std::uint32_t hidden);

  friend bool operator==(const lstm_weights&, const lstm_weights&) = default;
};

/// Rows of a batch: row-major, `rows` times inputs or hidden units.
struct lstm_state {
  std::vector<float> hidden;
  std::vector<float> cell;
};

/// One step for a batch; `state` becomes the next one. Returns the logarithm of the expected share
/// per row. Rows are independent of each other.
std::vector<float> lstm_step(const lstm_weights& by, std::span<const float> inputs,
                             lstm_state& state);

struct lstm_gradients {
  std::vector<float> gates;
  std::vector<float> head;
  double loss = 0; ///< Mean over rows of exp(output) - target * output.
};

/// Gradients through all `steps` (each the inputs of the batch) of the loss after the last, by
/// backpropagation through time from the state before the first.
lstm_gradients lstm_learn(const lstm_weights& by, std::span<const std::vector<float>> steps,
                          const lstm_state& before, std::span<const float> targets);

/// Adam (Kingma and Ba, 2015) with the gradient's norm clipped.
class lstm_optimizer {
public:
  explicit lstm_optimizer(float rate = 2e-3f) : rate_(rate) {}
  void apply(lstm_weights& to, const lstm_gradients& by);

private:
  float rate_;
  double steps_ = 0;
  std::vector<float> mean_;
  std::vector<float> square_;
};

} // namespace foreshift
