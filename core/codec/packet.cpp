// SPDX-License-Identifier: Apache-2.0
#include "core/codec/packet.hpp"

#include <capnp/dynamic.h>
#include <capnp/serialize.h>
#include <fmt/format.h>
#include <kj/exception.h>

namespace foreshift::detail {

namespace {

void visit(const capnp::DynamicValue::Reader& value);

void visit(const capnp::DynamicStruct::Reader& value) {
  for (auto field : value.getSchema().getNonUnionFields())
    if (value.has(field))
      visit(value.get(field));
  KJ_IF_MAYBE (active, value.which()) {
    visit(value.get(*active));
  }
}

/// Reads every field once. Cap'n Proto decodes pointers lazily: a text without its NUL or a list of
/// the wrong element type throws at first access, so that has to happen here, at the border.
void visit(const capnp::DynamicValue::Reader& value) {
  switch (value.getType()) {
  case capnp::DynamicValue::STRUCT:
    visit(value.as<capnp::DynamicStruct>());
    break;
  case capnp::DynamicValue::LIST: {
    auto list = value.as<capnp::DynamicList>();
    auto element = list.getSchema().getElementType();
    if (element.isStruct() || element.isText() || element.isData() || element.isList())
      for (auto item : list)
        visit(item);
    break;
  }
  default:
    break;
  }
}

} // namespace

std::shared_ptr<const packet_words> share(kj::Array<capnp::word> canonical) {
  return std::make_shared<const packet_words>(kj::mv(canonical));
}

result<std::shared_ptr<const packet_words>> admit(std::span<const std::byte> bytes,
                                                  capnp::StructSchema schema) {
  if (bytes.size() > packet_bytes_max)
    return fault{errc::too_large, fmt::format("a packet of {} bytes exceeds the limit of {}",
                                              bytes.size(), packet_bytes_max)};
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0)
    return fault{errc::malformed, "a packet must be a whole number of 8-byte words"};
  // Cap'n Proto needs word alignment; network and RocksDB buffers have none.
  auto aligned = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(aligned.begin(), bytes.data(), bytes.size());
  kj::ArrayPtr<const capnp::word> segment = aligned.asPtr();
  capnp::ReaderOptions limits;
  limits.nestingLimit = packet_depth_max;
  // Twice the size: once for the check below and once for the canonical copy.
  limits.traversalLimitInWords = 4 * aligned.size() + 64;
  try {
    capnp::SegmentArrayMessageReader message{kj::arrayPtr(&segment, 1), limits};
    auto root = message.getRoot<capnp::AnyStruct>();
    visit(root.as<capnp::DynamicStruct>(schema));
    return share(root.canonicalize());
  } catch (const kj::Exception& e) {
    return fault{errc::malformed, e.getDescription().cStr()};
  }
}

} // namespace foreshift::detail
