// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "schemas/volume.capnp.h"

#include <cstdint>
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

/// Checks a shape an operator asked for: name, size (4 KiB multiple, 1 extent to 64 TiB), extent
/// and partition sizes, 1 <= replicas <= min(3, homes), no duplicate homes. Fails with `invalid`.
result<void> check_shape(const volume_shape& shape);

/// The part of `check_shape` that arithmetic and hashing rely on, whatever the volume is called.
result<void> check_geometry(const volume_shape& shape);

/// [a-z0-9][a-z0-9.-]*, at most 253 characters.
bool valid_host_name(std::string_view name);

/// Partition that `extent` belongs to.
inline std::uint32_t partition_of(const volume_shape& shape, std::uint32_t extent) {
  return static_cast<std::uint32_t>(extent / (shape.partition_bytes / shape.extent_bytes));
}

/// Home hosts of an extent: the `replicas` best of `homes` by rendezvous (highest random weight,
/// Thaler and Ravishankar 1996) hash of (volume, partition, host); sorted by name. Pure.
///
/// Persistent, never to change: weight = XXH3_64bits of 8 bytes volume id, 8 bytes partition index
/// (both little endian), then the host's name; equal weights rank by name, first wins.
host_set home_of(const volume_shape& shape, std::uint32_t extent);

} // namespace foreshift
