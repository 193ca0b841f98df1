// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/store.hpp"

namespace foreshift {

/// What no engine accepts: an empty key, or a key named twice among the compares or among the ops
/// (`invalid`).
result<void> check_request(std::span<const compare> compares, std::span<const store_op> ops);

/// The answer when `key` is not at the revision a compare asks for.
fault compare_failed(const compare& wanted, std::uint64_t revision);

} // namespace foreshift
