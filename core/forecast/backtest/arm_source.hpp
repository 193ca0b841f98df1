// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/forecaster.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace foreshift {

/// What a back-test asks: something that sees accesses in order and names, for each of its arms,
/// the extents that should be near. One thread.
class arm_source {
public:
  virtual ~arm_source() = default;

  virtual std::vector<std::string> arms() const = 0;
  virtual void observe(const access& x) = 0;
  /// All accesses before `now_ms` have been observed.
  virtual void advance(std::int64_t now_ms) = 0;
  /// At most `count` extents, the best first, each once; called once per decision and arm.
  virtual std::vector<std::uint32_t> choose(std::size_t arm, std::size_t count) = 0;
};

/// Arm 0, `foreshift`, is what the product would choose; the others are its experts, each alone.
std::unique_ptr<arm_source> make_engine_arms(const forecaster_options& options);

} // namespace foreshift
