// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

/// Choosing a planted bug (see core/base/planted.hpp); only in foreshift_sim_bugs.
namespace foreshift::sim {

struct planted_row {
  std::string_view name;
  bool demanded;                      ///< Else it is looked for only as long as those are missing.
  std::array<std::uint64_t, 3> seeds; ///< That found it of late, to begin with; 0: none.
};

inline constexpr std::string_view no_bug = "none";

std::span<const planted_row> planted_bugs();
/// False for a name that is none.
bool plant(std::string_view name);

} // namespace foreshift::sim
