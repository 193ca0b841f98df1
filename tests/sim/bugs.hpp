// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

/// Choosing a planted bug (see core/base/planted.hpp); only in foreshift_sim_bugs.
namespace foreshift::sim {

std::span<const std::string_view> bug_names();
/// False for a name that is none.
bool plant(std::string_view name);

} // namespace foreshift::sim
