// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

/// Choosing a planted bug (see core/base/planted.hpp); only in foreshift_sim_bugs.
namespace foreshift::sim {

std::span<const std::string_view> bug_names();
/// A seed that has found it before; 0 when there is none.
std::uint64_t likely_seed(std::string_view name);
/// False for a name that is none.
bool plant(std::string_view name);

} // namespace foreshift::sim
