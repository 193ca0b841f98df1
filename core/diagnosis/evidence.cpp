// SPDX-License-Identifier: Apache-2.0
#include "core/diagnosis/evidence.hpp"

#include "core/lease/replicas.hpp"
#include "core/volume/roaring_codec.hpp"

namespace foreshift::diagnosis {

result<kept> decode(schema::PlaneInventory::Reader in, std::uint64_t extents) {
  kept out;
  std::optional<fault> why;
  auto take = [&](capnp::Data::Reader bytes, roaring::Roaring& into) {
    auto set =
        decode_roaring({bytes.begin(), bytes.size()}, static_cast<std::uint32_t>(extents - 1));
    if (set)
      into = *std::move(set);
    else
      why = set.error();
  };
  take(in.getPresent(), out.present);
  take(in.getStaged(), out.staged);
  take(in.getRetired(), out.retired);
  take(in.getLost(), out.lost);
  if (why)
    return *why;
  return out;
}

std::vector<gap> possible_gaps(const volume_evidence& x, std::size_t extents_max) {
  std::vector<gap> out;
  for (const auto& [hosts, extents] : lease::replica_sets(x.facts.placement))
    for (const auto& holder : hosts)
      for (const auto& other : hosts) {
        auto here = x.inventories.find(holder);
        auto there = x.inventories.find(other);
        if (holder == other || here == x.inventories.end() || there == x.inventories.end())
          continue;
        auto missing = lease::to_vector((here->second.present & extents) - there->second.present);
        if (missing.empty())
          continue;
        missing.resize(std::min(missing.size(), extents_max));
        out.push_back({holder, other, std::move(missing)});
      }
  return out;
}

} // namespace foreshift::diagnosis
