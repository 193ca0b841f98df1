// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/plane_runner.hpp"

#include <string>
#include <vector>

namespace foreshift {

/// The command line of the data plane, without the listening sockets, which it finds at descriptors
/// 3 (guests) and 4 (peers).
std::vector<std::string> plane_command(const plane_process_options& options);

} // namespace foreshift
