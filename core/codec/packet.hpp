// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <capnp/message.h>
#include <capnp/schema.h>
#include <kj/array.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

namespace foreshift {

/// Canonical Cap'n Proto words: one segment, no far pointers, already bounds-checked. Immutable
/// once built, so any number of threads may read them.
using packet_words = kj::Array<const capnp::word>;

/// Upper bound on one message. Larger transfers belong on the data plane.
inline constexpr std::size_t packet_bytes_max = 8u << 20;

/// Upper bound on pointer depth inside a message.
inline constexpr int packet_depth_max = 32;

namespace detail {

/// Checks untrusted `bytes` against `schema` and returns an aligned, canonical copy, or a fault.
/// Not a template: one copy of the code serves every schema.
result<std::shared_ptr<const packet_words>> admit(std::span<const std::byte> bytes,
                                                  capnp::StructSchema schema);

std::shared_ptr<const packet_words> share(kj::Array<capnp::word> canonical);

/// The canonical encoding of a struct whose every field has its default: a root of size zero.
alignas(8) inline constexpr std::array<std::byte, 8> default_words{
    std::byte{0xfc}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};

} // namespace detail

/// An immutable, reference-counted Cap'n Proto message of type `Schema`: the same bytes between
/// actors, on the wire, in RocksDB and (rendered) in JSON.
///
/// Copying bumps a reference count. `read()` is a reader straight onto the shared words: no copy,
/// no bounds checks, because the only ways in (`make`, `seal`, `admit`) check first. Readers borrow
/// from the packet and must not outlive it.
template <class Schema>
class packet {
public:
  using schema_type = Schema;
  using reader = typename Schema::Reader;
  using builder = typename Schema::Builder;

  /// Cap'n Proto's type id; the routing key between processes.
  static constexpr std::uint64_t type_id = capnp::typeId<Schema>();

  /// Reads as the schema's defaults, and equals a packet made without setting anything.
  packet() = default;

  /// Builds a packet in place: `packet<T>::make([&](auto root) { root.setX(1); })`.
  template <class Fill>
  static packet make(Fill&& fill) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<Schema>();
    fill(root);
    return seal(root.asReader());
  }

  /// Freezes whatever `source` points at.
  static packet seal(reader source) { return packet{detail::share(capnp::canonicalize(source))}; }

  /// Takes bytes from outside the process. Fails with `malformed` or `too_large`.
  static result<packet> admit(std::span<const std::byte> bytes) {
    auto checked = detail::admit(bytes, capnp::Schema::from<Schema>());
    if (!checked)
      return checked.error();
    return packet{*std::move(checked)};
  }

  reader read() const {
    if (words_ == nullptr)
      return reader{};
    return capnp::readMessageUnchecked<Schema>(words_->begin());
  }

  reader operator*() const { return read(); }

  /// The canonical encoding: what goes on the wire and into the store.
  std::span<const std::byte> bytes() const noexcept {
    if (words_ == nullptr)
      return detail::default_words;
    auto raw = words_->asBytes();
    return {reinterpret_cast<const std::byte*>(raw.begin()), raw.size()};
  }

  long use_count() const noexcept { return words_.use_count(); }

  /// Two packets are equal if their canonical encodings are.
  friend bool operator==(const packet& x, const packet& y) noexcept {
    auto a = x.bytes();
    auto b = y.bytes();
    return a.size() == b.size()
           && (a.data() == b.data() || std::memcmp(a.data(), b.data(), a.size()) == 0);
  }

private:
  explicit packet(std::shared_ptr<const packet_words> shared) : words_(std::move(shared)) {}

  std::shared_ptr<const packet_words> words_;
};

/// Renders a packet in Cap'n Proto text form, for logs and test output.
template <class Schema>
std::string to_string(const packet<Schema>& x) {
  return kj::str(x.read()).cStr();
}

/// Bytes as RocksDB and sockets see them.
inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace foreshift
