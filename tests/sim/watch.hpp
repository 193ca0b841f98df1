// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agents/nbd/sessions.hpp"
#include "core/base/result.hpp"

#include <memory>
#include <string>

namespace foreshift::sim {

class machine;

/// A peer's session that is watched for I2: nothing of an epoch is served by a host that had seen a
/// later one before the request came.
result<std::unique_ptr<session>> watched_peer_session(plane& host, const std::string& name);

/// A data plane that cannot start after a crash breaks I7, unless its disk is full or failing.
void watch_start_failed(const machine& where, const fault& why);

/// Ends the run: an invariant does not hold.
[[noreturn]] void violated(const std::string& invariant, const std::string& how);

} // namespace foreshift::sim
