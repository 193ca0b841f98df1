// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/base/roaring.hpp"
#include "core/codec/packet.hpp"
#include "core/volume/shape.hpp"
#include "schemas/volume.capnp.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace foreshift {

/// Volume -> for every extent the hosts that hold it in sync. A value: changing it makes the next
/// version; a copy is one reference count. Extents in no exception are at home. Const calls are
/// safe from any thread. Canonical, so equal placements compare (and encode) equal: an extent is in
/// at most one exception, never in one that equals its home set, and no exception is empty.
class placement_map {
public:
  /// Version 1: everything at home. The shape must have passed `check_shape`.
  explicit placement_map(volume_shape shape);

  // Moving copies: no value is ever left without its contents.
  placement_map(const placement_map&) = default;
  placement_map& operator=(const placement_map&) = default;

  /// Fails with `malformed` on another volume's record, bitmaps that do not decode, reach past the
  /// volume or overlap, and host lists that are not sorted, unique names. Fails with `invalid` on a
  /// shape that cannot be.
  static result<placement_map> decode(const volume_shape& shape, schema::Placement::Reader in);
  void encode(schema::Placement::Builder out) const;
  packet<schema::Placement> encode() const;

  const volume_shape& shape() const;
  std::uint64_t version() const;

  /// Hosts in sync for `extent`, sorted by name; at least one. Borrowed from this value.
  const host_set& replicas(std::uint32_t extent) const;

  /// Home hosts of `extent`: `home_of`, remembered.
  const host_set& home(std::uint32_t extent) const;

  bool holds(std::string_view host, std::uint32_t extent) const;

  /// Every host named by homes, exceptions or retiring: the set a flip seals.
  host_set hosts_to_seal() const;

  /// Next version, in which `host` also holds `extents` (those it already holds are unchanged). A
  /// note that `host` is still retiring one of them is dropped: a fresh copy must not be freed.
  placement_map with_replica(std::string_view host, std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` no longer holds `extents` (those it does not hold are
  /// unchanged); noted as retiring there until `without_retiring`. Breaking I5 (fewer than
  /// `replicas` left) is a bug and aborts.
  placement_map without_replica(std::string_view host,
                                std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` has confirmed the retirement of `extents`.
  placement_map without_retiring(std::string_view host,
                                 std::span<const std::uint32_t> extents) const;

  /// In-sync hosts of every extent that is not at home.
  const std::map<host_set, roaring::Roaring>& exceptions() const;
  /// Hosts that may still have to give up an extent.
  const std::map<host_set, roaring::Roaring>& retiring() const;

  /// Extents with more in-sync replicas than the replication factor, with their hosts, by extent.
  std::vector<std::pair<std::uint32_t, host_set>> surplus() const;

  friend bool operator==(const placement_map& x, const placement_map& y);

private:
  class home_table;
  struct content;

  explicit placement_map(std::shared_ptr<const content> shared);
  content next() const;

  std::shared_ptr<const content> content_;
};

} // namespace foreshift
