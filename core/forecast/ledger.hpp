// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace foreshift {

/// What was predicted over one horizon and what came true; shares 0..1, means over the decisions of
/// late (about the last 32).
struct ledger_line {
  double decisions = 0; ///< All so far.
  double promised = 0;  ///< Share of accesses the choice was expected to cover.
  double covered = 0;   ///< What it did cover.
  double oracle = 0;    ///< What the clairvoyant choice would have covered.
  double of_oracle = 0; ///< Mean of accesses and distinct bytes, as shares of the clairvoyant.
  double wasted = 0;    ///< Share of the chosen extents that nothing touched.
  double moved = 0;     ///< Share of the choice that was not in the one before.
};

/// Promised and realised coverage by tenths of what was promised: calibrated when they agree.
struct calibration_line {
  double decisions = 0;
  double promised = 0; ///< Sums.
  double covered = 0;
};

/// Keeps both. One thread.
class ledger {
public:
  struct entry {
    double promised = 0;
    double covered = 0;
    double oracle = 0;
    double of_oracle = 0;
    double wasted = 0;
    double moved = 0;
  };
  void note(const entry& x);

  const ledger_line& line() const { return line_; }
  const std::array<calibration_line, 10>& calibration() const { return calibration_; }

  void save(byte_writer& out) const;
  void load(byte_reader& in);

private:
  ledger_line line_;
  std::array<calibration_line, 10> calibration_{};
};

} // namespace foreshift
