// SPDX-License-Identifier: Apache-2.0
#include "core/codec/json.hpp"

#include <capnp/compat/json.h>
#include <kj/exception.h>

namespace foreshift {

std::string to_json(capnp::DynamicStruct::Reader value, bool pretty) {
  capnp::JsonCodec codec;
  codec.setPrettyPrint(pretty);
  return codec.encode(value).cStr();
}

result<std::string> to_json(capnp::StructSchema schema, std::span<const std::byte> bytes,
                            bool pretty) {
  auto words = detail::admit(bytes, schema);
  if (!words)
    return words.error();
  auto root = capnp::readMessageUnchecked<capnp::AnyStruct>((*words)->begin());
  return to_json(root.as<capnp::DynamicStruct>(schema), pretty);
}

result<std::vector<std::byte>> from_json(capnp::StructSchema schema, std::string_view text) {
  std::vector<std::byte> out;
  auto why = kj::runCatchingExceptions([&] {
    capnp::JsonCodec codec;
    codec.setMaxNestingDepth(packet_depth_max);
    codec.setRejectUnknownFields(true);
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<capnp::DynamicStruct>(schema);
    codec.decode(kj::arrayPtr(text.data(), text.size()), root);
    auto words = message.getRoot<capnp::AnyStruct>().asReader().canonicalize();
    auto raw = std::as_bytes(std::span{words.begin(), words.size()});
    out.assign(raw.begin(), raw.end());
  });
  KJ_IF_MAYBE (e, why)
    return fault{errc::invalid, e->getDescription().cStr()};
  return out;
}

} // namespace foreshift
