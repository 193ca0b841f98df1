// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/shape.hpp"

#include <string>
#include <utility>
#include <vector>

namespace foreshift::test {

/// A volume named "db" with 1 MiB extents and everything else as by default.
inline volume_shape make_shape(std::uint64_t size_bytes, std::uint32_t replicas,
                               std::vector<std::string> homes) {
  volume_shape out;
  out.id = 7;
  out.name = "db";
  out.size_bytes = size_bytes;
  out.replicas = replicas;
  out.homes = std::move(homes);
  return out;
}

/// "vol" and the id: 8 MiB in four partitions; one replica lives on a or b, two on any two of a, b
/// and c.
inline volume_shape make_small_shape(std::uint64_t id, std::uint32_t replicas) {
  auto out = make_shape(8u << 20, replicas, {"a", "b"});
  out.id = id;
  out.name = "vol" + std::to_string(id);
  out.partition_bytes = 2u << 20;
  if (replicas > 1)
    out.homes.push_back("c");
  return out;
}

} // namespace foreshift::test
