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

bool holds_pointers(capnp::Type type) {
  return type.isText() || type.isData() || type.isList()
         || (type.isStruct() && type.asStruct().getProto().getStruct().getPointerCount() != 0);
}

/// Reads every field once. Cap'n Proto decodes pointers lazily: a text without its NUL or a list of
/// the wrong element type throws at first access, so that has to happen here, at the border.
/// Elements without pointers, such as the thousands of an access batch, cannot: the list is bounded
/// as a whole.
void visit(const capnp::DynamicValue::Reader& value) {
  switch (value.getType()) {
  case capnp::DynamicValue::STRUCT:
    visit(value.as<capnp::DynamicStruct>());
    break;
  case capnp::DynamicValue::LIST: {
    auto list = value.as<capnp::DynamicList>();
    if (holds_pointers(list.getSchema().getElementType()))
      for (auto item : list)
        visit(item);
    break;
  }
  default:
    break;
  }
}

/// A list of so many structs that are all zero takes no space, and reading it is still counted.
constexpr std::uint64_t empty_elements_max = 16 * 1024;

/// Visits every field of a message and returns its canonical form; throws kj::Exception.
kj::Array<capnp::word> check(kj::ArrayPtr<const capnp::word> segment, capnp::StructSchema schema) {
  capnp::ReaderOptions limits;
  limits.nestingLimit = packet_depth_max;
  // Every word is counted three times: by the visit, and by measuring and copying to canonical
  // form. Aliased pointers, which would make a small message unfold into a large one, exceed that.
  limits.traversalLimitInWords = 4 * (segment.size() + empty_elements_max);
  capnp::SegmentArrayMessageReader message{kj::arrayPtr(&segment, 1), limits};
  auto root = message.getRoot<capnp::AnyStruct>();
  visit(root.as<capnp::DynamicStruct>(schema));
  return root.canonicalize();
}

bool same(kj::ArrayPtr<const capnp::word> x, kj::ArrayPtr<const capnp::word> y) {
  return x.asBytes() == y.asBytes();
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
  try {
    auto canonical = check(aligned.asPtr(), schema);
    if (canonical.size() > packet_bytes_max / sizeof(capnp::word))
      return fault{errc::too_large, "a packet unfolds to more than the limit"};
    // Our own peers send canonical form. In anyone else's, dropping trailing zeroes may have made a
    // list unreadable that was readable as another version's type: what readers will see has to
    // pass too.
    if (!same(canonical, aligned) && !same(check(canonical.asPtr(), schema), canonical))
      return fault{errc::malformed, "a packet has no canonical form"};
    return share(kj::mv(canonical));
  } catch (const kj::Exception& e) {
    return fault{errc::malformed, e.getDescription().cStr()};
  }
}

} // namespace foreshift::detail
