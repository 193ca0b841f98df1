// SPDX-License-Identifier: Apache-2.0
#include "core/lease/replicas.hpp"

#include <algorithm>

namespace foreshift::lease {

namespace {

bool contains(const host_set& hosts, std::string_view host) {
  return std::binary_search(hosts.begin(), hosts.end(), host);
}

} // namespace

std::map<host_set, roaring::Roaring> replica_sets(const placement_map& map) {
  std::map<host_set, roaring::Roaring> sets;
  const auto& shape = map.shape();
  auto stride = static_cast<std::uint32_t>(shape.partition_bytes / shape.extent_bytes);
  for (std::uint64_t first = 0; first < shape.extents(); first += stride)
    sets[map.home(static_cast<std::uint32_t>(first))].addRange(
        first, std::min<std::uint64_t>(first + stride, shape.extents()));
  roaring::Roaring moved;
  for (const auto& [hosts, extents] : map.exceptions())
    moved |= extents;
  for (auto& [hosts, extents] : sets)
    extents -= moved;
  for (const auto& [hosts, extents] : map.exceptions())
    sets[hosts] |= extents;
  std::erase_if(sets, [](const auto& x) { return x.second.isEmpty(); });
  return sets;
}

roaring::Roaring held_only_by(const placement_map& map, const host_set& hosts) {
  roaring::Roaring out;
  for (const auto& [holders, extents] : replica_sets(map))
    if (std::includes(hosts.begin(), hosts.end(), holders.begin(), holders.end()))
      out |= extents;
  return out;
}

bool uses(const placement_map& map, std::string_view host) {
  if (map.lost().contains(host))
    return true;
  for (const auto& [hosts, extents] : map.retiring())
    if (contains(hosts, host))
      return true;
  return !map.in_sync(host).isEmpty();
}

stop_effect effect_of_stopping(const placement_map& map, std::string_view holder,
                               std::string_view host) {
  stop_effect out;
  out.attached = holder == host;
  for (const auto& [hosts, extents] : replica_sets(map)) {
    if (!contains(hosts, host))
      continue;
    if (hosts.size() == 1)
      out.blocked += extents.cardinality();
    else if (hosts.size() <= map.shape().replicas)
      out.degraded += extents.cardinality();
  }
  return out;
}

std::vector<std::uint32_t> to_vector(const roaring::Roaring& set) {
  std::vector<std::uint32_t> all(set.cardinality());
  set.toUint32Array(all.data());
  return all;
}

} // namespace foreshift::lease
