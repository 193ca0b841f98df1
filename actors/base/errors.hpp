// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <caf/result.hpp>

namespace foreshift {

/// A fault on its way to another actor.
caf::error to_caf(const fault& why);

/// What an actor's error means: our own faults come back as they were; CAF's request_timeout is
/// `timeout`, a receiver that is gone `unreachable`, anything else `failed`.
fault to_fault(const caf::error& why);

/// What a handler returns: the value, or the fault as an error.
template <class T>
caf::result<T> to_caf(result<T> x) {
  if (x)
    return *std::move(x);
  return to_caf(x.error());
}

} // namespace foreshift
