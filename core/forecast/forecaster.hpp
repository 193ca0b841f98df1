// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/forecast/forecast.hpp"
#include "core/forecast/ledger.hpp"
#include "core/forecast/lstm.hpp"
#include "core/forecast/vci_activity.hpp"
#include "core/trace/access.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// One horizon's ledger.
struct ledger_report {
  std::uint32_t horizon_ms = 0;
  ledger_line line;
  std::array<calibration_line, 10> calibration{};
  std::string lead;               ///< The arm that leads.
  std::vector<expert_share> arms; ///< Mean share of the clairvoyant choice of each arm, lately.
};

struct forecaster_options {
  std::uint64_t size_bytes = 0; ///< 0: not known.
  std::uint32_t extent_bytes = 1u << 20;
  std::uint32_t window_ms = 1000;    ///< Accesses are folded into counts per window.
  std::uint32_t horizon_ms = 60'000; ///< What is predicted: the next so many milliseconds.
  /// Others that are forecast and judged beside it.
  std::vector<std::uint32_t> more_horizons_ms{10'000, 60'000, 300'000, 3'600'000};
  std::size_t extents_max = 1u << 20; ///< Beyond it the coldest are forgotten. At least 8.
  bool lstm = true;                   ///< Whether the learned arm takes part.
  std::shared_ptr<const lstm_weights> lstm_start{}; ///< Its first weights; null: those shipped.
  /// What was seen is learnt only by calls of `study`, not within `advance`.
  bool study_apart = false;
  /// Experts are judged by their so many hottest extents; 0: 5 % of the volume's, at least 32.
  std::size_t budget_extents = 0;
  std::uint64_t seed = 1; ///< Of the trees' samples.
};

/// Learns one volume's accesses and predicts the next. Pure: time comes with the accesses and with
/// `advance`. One thread.
class forecaster {
public:
  virtual ~forecaster() = default;

  virtual void observe(const access& x) = 0;

  /// What the volume's VCI does now: what the learned arm sees from then on. Not part of `save`.
  virtual void notice(const vci_activity& x) = 0;

  /// Closes every window that ends at or before `now_ms`.
  virtual void advance(std::int64_t now_ms) = 0;

  /// Does one piece of the learning that is due, some 0.1 s of it at most; false when there was
  /// none. Only needed with `study_apart`: whoever calls it decides how much of a processor goes
  /// into it.
  virtual bool study() = 0;

  /// The `extents_max` hottest extents expected over the horizon, or over one of the others.
  virtual forecast predict(std::size_t extents_max) const = 0;
  virtual forecast predict(std::size_t extents_max, std::uint32_t horizon_ms) const = 0;

  /// The extents to hold when there is room for `budget`, most useful first. Those of the last
  /// choice stay unless others are clearly better.
  virtual std::vector<std::uint32_t> choose(std::size_t budget) = 0;

  /// What was predicted and what came true, per horizon.
  virtual std::vector<ledger_report> ledgers() const = 0;

  /// Everything needed to go on after a restart or on another host; versioned, zstd.
  virtual std::string save() const = 0;
  /// `malformed` when the bytes are not from `save` of a compatible version; the state is
  /// unchanged.
  virtual result<void> load(std::string_view bytes) = 0;
};

/// Experts (expert.hpp) under a calibrated merge (outlook.hpp), one per horizon.
std::unique_ptr<forecaster> make_forecaster(const forecaster_options& options);

} // namespace foreshift
