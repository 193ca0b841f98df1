// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agents/nbd/sessions.hpp"
#include "tests/sim/kernel.hpp"

#include <functional>
#include <memory>
#include <string>

namespace foreshift::sim {

/// Who answers a connection to an export: nbdkit's place.
using session_opener =
    std::function<result<std::unique_ptr<session>>(const std::string& export_name)>;

/// Serves NBD at "HOST:PORT" from the calling process, one thread a connection, until that process
/// is killed. The client is the product's own code over the functions of libnbd in nbd.cpp.
void listen_nbd(const std::string& address, session_opener open);

} // namespace foreshift::sim
