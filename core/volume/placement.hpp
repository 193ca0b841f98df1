// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/base/roaring.hpp"
#include "core/codec/packet.hpp"
#include "core/volume/shape.hpp"
#include "schemas/volume.capnp.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace foreshift {

/// What a host held in sync when it failed. The data it still has is a basis for its return.
struct lost_replica {
  std::uint64_t since = 0;  ///< Map version that first left the host out.
  roaring::Roaring extents; ///< Empty while the host only has to give up what was lost.

  friend bool operator==(const lost_replica&, const lost_replica&) = default;
};

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

  /// Everything `host` holds in sync.
  roaring::Roaring in_sync(std::string_view host) const;

  /// Hosts that hold anything in sync.
  host_set hosts_in_sync() const;

  /// The set a flip seals: hosts that hold anything in sync or may still be read as retiring. A
  /// lost host without anything in sync is left out: nothing is acknowledged or read without the
  /// hosts in sync, and those are sealed.
  host_set hosts_to_seal() const;

  /// Next version, in which `host` also holds `extents` (those it already holds are unchanged) and
  /// has not lost them any more. A note that `host` is still retiring one of them is dropped: a
  /// fresh copy must not be freed.
  placement_map with_replica(std::string_view host, std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` no longer holds `extents` (those it does not hold are
  /// unchanged); noted as retiring there until `without_retiring`. Breaking I5 (fewer than
  /// `replicas` left, lost ones counted) is a bug and aborts.
  placement_map without_replica(std::string_view host,
                                std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` has confirmed the retirement of `extents`.
  placement_map without_retiring(std::string_view host,
                                 std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` failed: all it held in sync is lost, since this version (or,
  /// where something of it was lost already, since then). `precondition`, with the number of
  /// extents, when one would be left without a replica.
  result<placement_map> with_lost(std::string_view host) const;

  /// The same of what others hold too; the rest stays.
  placement_map with_lost_shared(std::string_view host) const;

  /// Next version, in which `extents` are not awaited back at `host`, because others hold them for
  /// good: what was lost of them is noted as retiring there.
  placement_map without_lost(std::string_view host, std::span<const std::uint32_t> extents) const;

  /// Failed hosts, until everything is back or given up.
  const std::map<std::string, lost_replica, std::less<>>& lost() const;

  /// Extents with fewer in-sync replicas than the replication factor.
  roaring::Roaring degraded() const;

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
