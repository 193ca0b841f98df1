// SPDX-License-Identifier: Apache-2.0
#include "core/lease/repair.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace foreshift::lease {

namespace {

bool contains(const host_set& hosts, const std::string& host) {
  return std::binary_search(hosts.begin(), hosts.end(), host);
}

/// The first `busy_max` extents of `set` that are busy and the idle ones, up to the batch's limit.
std::vector<std::uint32_t> take(const roaring::Roaring& set, const roaring::Roaring& busy) {
  std::vector<std::uint32_t> out;
  std::size_t copying = 0;
  for (auto extent : set) {
    if (out.size() >= batch_extents_max)
      break;
    if (busy.contains(extent) && ++copying > batch_busy_max)
      continue;
    out.push_back(extent);
  }
  return out;
}

/// Who can be read; one that stays is better than one that leaves.
std::optional<std::string> readable(const host_set& holders, const std::string& leaving,
                                    const replica_hosts& hosts) {
  std::optional<std::string> last;
  for (const auto& name : holders) {
    auto at = hosts.find(name);
    if (at == hosts.end() || !at->second.up)
      continue;
    if (name != leaving)
      return name;
    last = name;
  }
  return last;
}

const std::string& zone_of(const replica_hosts& hosts, const std::string& name) {
  auto at = hosts.find(name);
  return at == hosts.end() || at->second.zone.empty() ? name : at->second.zone;
}

} // namespace

roaring::Roaring changed_of(const placement_map& map, const roaring::Roaring& extents,
                            const std::map<std::string, std::optional<roaring::Roaring>>& notes) {
  roaring::Roaring changed;
  roaring::Roaring known;
  for (const auto& [host, noted] : notes) {
    if (!noted)
      continue;
    known |= map.in_sync(host);
    changed |= *noted;
  }
  return extents & (changed | (extents - known));
}

std::optional<repair_batch> next_return(const placement_map& map, const std::string& host,
                                        const roaring::Roaring& changed,
                                        const replica_hosts& hosts) {
  auto lost = map.lost().find(host);
  if (lost == map.lost().end())
    return std::nullopt;
  const auto& missing = lost->second.extents;
  for (bool idle : {true, false})
    for (const auto& [holders, extents] : replica_sets(map)) {
      auto here = extents & missing;
      here = idle ? here - changed : here & changed;
      auto source = readable(holders, host, hosts);
      if (!here.isEmpty() && source && *source != host)
        return repair_batch{*source, host, take(here, changed)};
    }
  return std::nullopt;
}

result<repair_batch> next_elsewhere(const placement_map& map, const roaring::Roaring& extents,
                                    const std::string& leaving, const roaring::Roaring& busy,
                                    const replica_hosts& hosts) {
  fault last{errc::unreachable, fmt::format("no host that holds extents of volume '{}' can be read",
                                            map.shape().name)};
  for (const auto& [holders, all] : replica_sets(map)) {
    auto here = all & extents;
    auto source = readable(holders, leaving, hosts);
    if (here.isEmpty() || !source)
      continue;
    auto chosen = take(here, busy);
    auto room = std::uint64_t{std::min<std::size_t>(chosen.size(), batch_busy_max)}
                * map.shape().extent_bytes;
    std::optional<std::tuple<bool, std::uint64_t, std::string>> best;
    for (const auto& [name, host] : hosts) {
      if (name == leaving || !host.up || host.draining || contains(holders, name)
          || host.free_bytes < room)
        continue;
      bool apart = std::none_of(holders.begin(), holders.end(),
                                [&, &zone = host.zone](const std::string& other) {
                                  return other != leaving && zone_of(hosts, other) == zone;
                                });
      best = std::max(best, std::optional{std::tuple{apart, host.free_bytes, name}});
    }
    if (best)
      return repair_batch{*source, std::get<2>(*best), std::move(chosen)};
    last = {errc::no_space,
            fmt::format("no other host has room for extents of volume '{}'", map.shape().name)};
  }
  return last;
}

bool others_have(const placement_map& map, const std::string& host, const replica_hosts& hosts) {
  auto sets = replica_sets(map);
  return std::all_of(sets.begin(), sets.end(), [&](const auto& x) {
    const auto& holders = x.first;
    auto up = [&](const std::string& name) {
      auto at = hosts.find(name);
      return name != host && at != hosts.end() && at->second.up;
    };
    return holders.size() < 2 || !contains(holders, host)
           || std::any_of(holders.begin(), holders.end(), up);
  });
}

roaring::Roaring spare_at(const placement_map& map, const std::string& host,
                          const roaring::Roaring& extents) {
  roaring::Roaring out;
  for (const auto& [holders, all] : replica_sets(map))
    if (holders.size() - (contains(holders, host) ? 1 : 0) >= map.shape().replicas)
      out |= all & extents;
  return out;
}

} // namespace foreshift::lease
