// SPDX-License-Identifier: Apache-2.0
#include "core/codec/json.hpp"

#include <capnp/compat/json.h>

namespace foreshift {

std::string to_json(capnp::DynamicStruct::Reader value, bool pretty) {
  capnp::JsonCodec codec;
  codec.setPrettyPrint(pretty);
  return codec.encode(value).cStr();
}

} // namespace foreshift
