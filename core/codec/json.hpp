// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"

#include <capnp/dynamic.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// Renders any Cap'n Proto struct as JSON with the schema's field names; 64-bit integers are
/// numbers in quotes, as Cap'n Proto's codec does, so that no reader loses digits.
std::string to_json(capnp::DynamicStruct::Reader value, bool pretty = true);

template <class Schema>
std::string to_json(const packet<Schema>& x, bool pretty = true) {
  return to_json(capnp::DynamicStruct::Reader{x.read()}, pretty);
}

/// The same for bytes from outside the process. Fails as packet<Schema>::admit does.
result<std::string> to_json(capnp::StructSchema schema, std::span<const std::byte> bytes,
                            bool pretty = true);

/// The canonical bytes of a struct written as JSON. `invalid` with the reason when the text is no
/// JSON, nests too deeply, or has a field or value that the schema lacks.
result<std::vector<std::byte>> from_json(capnp::StructSchema schema, std::string_view text);

} // namespace foreshift
