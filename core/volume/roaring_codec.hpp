// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/base/roaring.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

/// Upper bound on one encoded bitmap: four dense megabytes cover 2^25 extents in any pattern.
inline constexpr std::size_t roaring_bytes_max = 4u << 20;

/// Portable format after runOptimize; equal sets give equal bytes. Fits capnp's Data as it is:
/// `out.setPresent(kj::arrayPtr(bytes.data(), bytes.size()))`.
std::vector<unsigned char> encode_roaring(const roaring::Roaring& set);

/// Decodes bytes from outside the process: checks every container (order, cardinality, bounds),
/// which the library does not. Fails with `malformed`, also when an element exceeds `value_max` or
/// bytes are left over, and with `too_large` beyond `bytes_max`. No bytes at all are the empty set.
result<roaring::Roaring> decode_roaring(std::span<const unsigned char> bytes,
                                        std::uint32_t value_max,
                                        std::size_t bytes_max = roaring_bytes_max);

} // namespace foreshift
