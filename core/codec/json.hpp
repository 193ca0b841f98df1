// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"

#include <capnp/dynamic.h>

#include <string>

namespace foreshift {

/// Renders any Cap'n Proto struct as JSON with the schema's field names; 64-bit integers are
/// numbers in quotes, as Cap'n Proto's codec does, so that no reader loses digits.
std::string to_json(capnp::DynamicStruct::Reader value, bool pretty = true);

template <class Schema>
std::string to_json(const packet<Schema>& x, bool pretty = true) {
  return to_json(capnp::DynamicStruct::Reader{x.read()}, pretty);
}

} // namespace foreshift
