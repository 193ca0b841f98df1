// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/history/check.hpp"

namespace foreshift::history {

/// As check_block(), for histories in which a value may be written more than once: follows the
/// operations in time and keeps every state the block may be in (just-in-time linearization, after
/// Lowe, "Testing for linearizability", 2017). `operations` hold no read that failed.
result<std::optional<violation>> search_block(std::span<const operation> operations);

} // namespace foreshift::history
