// SPDX-License-Identifier: Apache-2.0
#include "core/volume/route_view.hpp"

#include <xxhash.h>

#include <algorithm>

namespace foreshift {

namespace {

template <class T>
std::uint16_t index_in(std::vector<T>& all, const T& wanted) {
  auto found = std::find(all.begin(), all.end(), wanted);
  if (found == all.end())
    found = all.insert(all.end(), wanted);
  return static_cast<std::uint16_t>(found - all.begin());
}

route_set resolve(const host_set& names, std::vector<std::string>& hosts, const std::string& self) {
  route_set out;
  for (const auto& name : names)
    out.hosts.push_back(index_in(hosts, name));
  out.nearest = out.hosts;
  auto own = std::find(names.begin(), names.end(), self);
  if (own != names.end()) {
    std::rotate(out.nearest.begin(), out.nearest.begin() + (own - names.begin()),
                out.nearest.begin() + (own - names.begin()) + 1);
  } else if (!names.empty()) {
    auto shift = XXH3_64bits(self.data(), self.size()) % names.size();
    std::rotate(out.nearest.begin(), out.nearest.begin() + static_cast<std::ptrdiff_t>(shift),
                out.nearest.end());
  }
  return out;
}

} // namespace

std::shared_ptr<const home_table> home_table::make(const volume_shape& shape) {
  auto out = std::make_shared<home_table>();
  auto per_partition = static_cast<std::uint32_t>(shape.partition_bytes / shape.extent_bytes);
  for (std::uint64_t extent = 0; extent < shape.extents(); extent += per_partition)
    out->of_partition.push_back(
        index_in(out->sets, home_of(shape, static_cast<std::uint32_t>(extent))));
  return out;
}

route_view make_route_view(LeaseState state, std::uint64_t epoch,
                           std::shared_ptr<const placement_map> placement,
                           std::shared_ptr<const home_table> homes, const std::string& self,
                           const host_lookup& lookup) {
  route_view out;
  out.state = state;
  out.epoch = epoch;
  out.placement = std::move(placement);
  out.homes = std::move(homes);
  const auto& shape = out.placement->shape();
  out.extent_bytes = shape.extent_bytes;
  out.extents_per_partition =
      static_cast<std::uint32_t>(shape.partition_bytes / shape.extent_bytes);
  for (const auto& set : out.homes->sets)
    out.sets.push_back(resolve(set, out.hosts, self));
  for (const auto& [set, extents] : out.placement->exceptions()) {
    out.exceptions.emplace_back(extents, static_cast<std::uint16_t>(out.sets.size()));
    out.sets.push_back(resolve(set, out.hosts, self));
  }
  auto in_sync = out.placement->hosts_in_sync();
  for (const auto& host : out.hosts) {
    out.routes.push_back(lookup(host));
    out.routes.back().in_sync = std::binary_search(in_sync.begin(), in_sync.end(), host);
  }
  return out;
}

} // namespace foreshift
