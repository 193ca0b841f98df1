// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/lstm.hpp"
#include "core/forecast/outlook.hpp"
#include "core/forecast/vci_activity.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

namespace foreshift {

/// An LSTM over what the experts say of an extent, the time of day and what the volume's VCI does:
/// one expert more. Every extent has a state of its own, 32 bytes, which moves on at each decision;
/// the weights are shared, start from those shipped with the program, and learn from each decision
/// whose outcome is known, a bounded sample at a time. One thread.
class learned_arm {
public:
  static constexpr std::uint32_t units = 16;

  static constexpr std::uint32_t time_inputs = 2;
  static constexpr std::uint32_t activity_inputs = vci_activity::inputs;
  static constexpr std::uint32_t more_inputs = time_inputs + activity_inputs; ///< Than experts.

  /// What came of a sample of extents, for a trainer: one row of inputs each.
  struct example {
    std::int64_t at_ms = 0;
    std::vector<std::uint32_t> extents;
    std::vector<float> inputs;
    std::vector<float> targets;
  };
  using observer = std::function<void(const example&)>;

  /// `experts`: how many columns of levels there will be; `start`: the first weights, of
  /// `experts + more_inputs` inputs and `units` units.
  learned_arm(std::size_t experts, lstm_weights start);

  /// What the VCI does, from now on.
  void notice(const vci_activity& x) { activity_ = x.scaled(); }

  /// Expected share per candidate, in no unit; `out` has an element for each.
  void score(const level_columns& levels, std::int64_t now_ms, std::span<float> out) const;

  /// A decision: states move on. What comes of it is known at `end_ms`.
  void step(const candidates& now, std::size_t slots, std::int64_t now_ms, std::int64_t end_ms);

  /// What came of a decision: noted, and learnt by `study`.
  void learn(const lesson& of);

  /// Learns one decision of those noted; false when there is none.
  bool study();

  void watch(observer each) { watch_ = std::move(each); }

  void keep(std::span<const std::uint32_t> slots);
  void save(byte_writer& out) const;
  void load(byte_reader& in, std::size_t slots);

  const lstm_weights& weights() const { return weights_; }

private:
  using packed_state = std::array<std::int8_t, 2 * units>; ///< Hidden, then cell.

  struct sample {
    std::int64_t end_ms = 0;
    example seen;
    lstm_state before;
  };

  std::vector<float> inputs_of(const level_columns& levels, std::span<const std::uint32_t> rows,
                               std::int64_t now_ms) const;
  lstm_state states_of(std::span<const std::uint32_t> rows) const;
  void remember(const candidates& now, std::int64_t now_ms, std::int64_t end_ms);

  std::size_t experts_;
  std::array<float, activity_inputs> activity_{};
  lstm_weights weights_;
  lstm_optimizer optimizer_;
  std::vector<packed_state> states_;
  std::deque<sample> samples_; ///< Their outcome is not known yet.
  std::deque<sample> noted_;   ///< It is, but they are not learnt yet.
  observer watch_;
};

/// The weights shipped with the program, trained by `./dev train-lstm`.
lstm_weights shipped_lstm();

/// A file of such weights; `malformed` when it is none or of another version or shape than this
/// program's experts need.
result<lstm_weights> load_lstm(std::string_view bytes);

} // namespace foreshift
