// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace foreshift {

/// Whether an extent belongs to the budget's worth of the most useful ones, to the next few
/// budgets, or to the rest. Changes lag behind the forecast: nothing flutters at the edge.
enum class heat_class : std::uint8_t { cold, warm, hot };

/// Expected use of one extent over the horizon. An access is one page of 4 KiB touched by one
/// request.
struct extent_heat {
  std::uint32_t extent = 0;
  float reads = 0;  ///< Expected read accesses.
  float writes = 0; ///< Expected write accesses.
  float bytes = 0;  ///< Expected distinct bytes touched, at most the extent's size.
  heat_class kind = heat_class::cold;

  float accesses() const { return reads + writes; }
  friend bool operator==(const extent_heat&, const extent_heat&) = default;
};

struct expert_share {
  std::string name;
  double weight = 0; ///< How well its choices did lately, relative to the others'; sums to 1.
  friend bool operator==(const expert_share&, const expert_share&) = default;
};

struct forecast {
  std::uint32_t horizon_ms = 0;
  double total_reads = 0; ///< Over all extents, listed or not.
  double total_writes = 0;
  std::vector<extent_heat> extents; ///< Hottest first.
  std::uint64_t extents_active = 0;
  std::uint64_t observed_ms = 0;
  std::vector<expert_share> experts;
};

} // namespace foreshift
