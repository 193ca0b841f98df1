// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/lstm.hpp"
#include "core/forecast/outlook.hpp"

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace foreshift {

/// An LSTM over what the experts say of an extent, and the time of day: one expert more. Every
/// extent has a state of its own, 64 bytes, which moves on at each decision; the weights are shared
/// and learn from each decision whose outcome is known, a bounded sample at a time, so that
/// learning costs a few milliseconds a decision. One thread.
class learned_arm {
public:
  static constexpr std::uint32_t units = 16;

  /// `experts`: how many columns of levels there will be; `seed`: of the first weights.
  learned_arm(std::size_t experts, std::uint64_t seed);

  /// Expected share per candidate, in no unit; `out` has an element for each.
  void score(const level_columns& levels, std::int64_t now_ms, std::span<float> out) const;

  /// A decision: states move on. What comes of it is known at `end_ms`.
  void step(const candidates& now, std::size_t slots, std::int64_t now_ms, std::int64_t end_ms);

  /// What came of a decision.
  void learn(const lesson& of);

  void keep(std::span<const std::uint32_t> slots);
  void save(byte_writer& out) const;
  void load(byte_reader& in, std::size_t slots);

  const lstm_weights& weights() const { return weights_; }

private:
  using packed_state = std::array<std::uint16_t, 2 * units>; ///< Upper halves of floats.

  struct sample {
    std::int64_t end_ms = 0;
    std::vector<std::uint32_t> extents;
    std::vector<float> inputs;
    lstm_state before;
  };

  std::vector<float> inputs_of(const level_columns& levels, std::span<const std::uint32_t> rows,
                               std::int64_t now_ms) const;
  lstm_state states_of(std::span<const std::uint32_t> rows) const;
  void remember(const candidates& now, std::int64_t now_ms, std::int64_t end_ms);

  std::size_t experts_;
  lstm_weights weights_;
  lstm_optimizer optimizer_;
  std::vector<packed_state> states_;
  std::deque<sample> samples_;
};

} // namespace foreshift
