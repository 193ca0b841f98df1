// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/codec/packet.hpp"
#include "schemas/volume.capnp.h"

#include <roaring/roaring.hh>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// Host names of one replica set, sorted.
using host_set = std::vector<std::string>;

/// A volume's shape and pinned home table, as plain values (see VolumeSpec).
struct volume_shape {
  std::uint64_t id = 0;
  std::string name;
  std::uint64_t size_bytes = 0;
  std::uint32_t extent_bytes = 1u << 20;
  std::uint64_t partition_bytes = 64u << 20;
  std::uint32_t replicas = 1;
  std::vector<std::string> homes;

  std::uint32_t extents() const {
    return static_cast<std::uint32_t>((size_bytes + extent_bytes - 1) / extent_bytes);
  }

  friend bool operator==(const volume_shape&, const volume_shape&) = default;
};

volume_shape decode_shape(schema::VolumeSpec::Reader spec);
void encode_shape(const volume_shape& shape, schema::VolumeSpec::Builder out);

/// Checks a shape an operator asked for: name, size (4 KiB multiple, 1 extent to 64 TiB), extent and
/// partition sizes, 1 <= replicas <= min(3, homes), no duplicate homes. Fails with `invalid`.
result<void> check_shape(const volume_shape& shape);

/// Home hosts of an extent: the `replicas` best of `homes` by rendezvous (highest random weight,
/// Thaler and Ravishankar 1996) hash of (volume, partition, host); sorted by name. Pure.
host_set home_of(const volume_shape& shape, std::uint32_t extent);

/// Volume -> for every extent the hosts that hold it in sync. A value: changing it makes the next
/// version. Extents in no exception are at home.
class placement_map {
public:
  explicit placement_map(volume_shape shape);

  /// Fails with `malformed` on bitmaps that do not decode or reach past the volume.
  static result<placement_map> decode(const volume_shape& shape, schema::Placement::Reader in);
  void encode(schema::Placement::Builder out) const;
  packet<schema::Placement> encode() const;

  const volume_shape& shape() const { return shape_; }
  std::uint64_t version() const { return version_; }

  /// Hosts in sync for `extent`, sorted by name; at least one.
  const host_set& replicas(std::uint32_t extent) const;

  bool holds(std::string_view host, std::uint32_t extent) const;

  /// Every host named by homes, exceptions or retiring: the set a flip seals.
  host_set hosts_to_seal() const;

  /// Next version, in which `host` also holds `extents` (those it already holds are unchanged).
  placement_map with_replica(std::string_view host, std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` no longer holds `extents`; noted as retiring there until
  /// `without_retiring`. Breaking I5 (fewer than `replicas` left) is a bug and aborts.
  placement_map without_replica(std::string_view host, std::span<const std::uint32_t> extents) const;

  /// Next version, in which `host` has confirmed the retirement of `extents`.
  placement_map without_retiring(std::string_view host,
                                 std::span<const std::uint32_t> extents) const;

  const std::map<host_set, roaring::Roaring>& exceptions() const { return exceptions_; }
  const std::map<host_set, roaring::Roaring>& retiring() const { return retiring_; }

  /// Extents with more in-sync replicas than the replication factor, with their hosts.
  std::vector<std::pair<std::uint32_t, host_set>> surplus() const;

  friend bool operator==(const placement_map&, const placement_map&) = default;

private:
  volume_shape shape_;
  std::uint64_t version_ = 1;
  std::map<host_set, roaring::Roaring> exceptions_;
  std::map<host_set, roaring::Roaring> retiring_;
  std::vector<host_set> homes_; ///< Home set of each partition, computed once; shared by value.
};

} // namespace foreshift
