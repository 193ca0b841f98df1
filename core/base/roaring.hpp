// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <roaring/roaring.hh>

/// CRoaring before 0.3 declares its class in the global namespace, later releases in `roaring`.
/// Ours spells the later name.
namespace roaring {
using Roaring = ::Roaring;
} // namespace roaring
