// SPDX-License-Identifier: Apache-2.0
// Failed hosts: what they held, and what that leaves behind.
#include "core/volume/placement.hpp"
#include "core/volume/placement_content.hpp"

#include <algorithm>

namespace foreshift {

using namespace placement_parts;

void placement_map::content::place(const roaring::Roaring& extents, const host_set& hosts) {
  for (auto at = exceptions.begin(); at != exceptions.end();) {
    at->second -= extents;
    at = at->second.isEmpty() ? exceptions.erase(at) : std::next(at);
  }
  roaring::Roaring at_home;
  if (hosts.size() == shape().replicas)
    each_partition([&](std::uint64_t first, std::uint64_t end, const host_set& home) {
      if (home == hosts)
        at_home.addRange(first, end);
    });
  auto away = extents - at_home;
  if (!away.isEmpty())
    exceptions[hosts] |= away;
}

roaring::Roaring placement_map::content::in_sync(std::string_view host) const {
  roaring::Roaring out;
  each_partition([&](std::uint64_t first, std::uint64_t end, const host_set& home) {
    if (contains(home, host))
      out.addRange(first, end);
  });
  out -= all_of(exceptions);
  out |= all_with(exceptions, host);
  return out;
}

void placement_map::content::tidy_lost(std::string_view host) {
  auto found = lost.find(host);
  if (found != lost.end() && found->second.extents.isEmpty() && all_with(retiring, host).isEmpty())
    lost.erase(found);
}

/// Who would be left of what `host` holds in sync.
bitmaps placement_map::content::without(std::string_view host) const {
  bitmaps left;
  for (const auto& [hosts, extents] : exceptions)
    if (contains(hosts, host))
      left[minus(hosts, host)] |= extents;
  auto at_home = in_sync(host) - all_with(exceptions, host);
  each_partition([&](std::uint64_t first, std::uint64_t end, const host_set& home) {
    if (!contains(home, host))
      return;
    roaring::Roaring partition;
    partition.addRange(first, end);
    partition &= at_home;
    if (!partition.isEmpty())
      left[minus(home, host)] |= partition;
  });
  return left;
}

void placement_map::content::lose(std::string_view host, const bitmaps& left) {
  roaring::Roaring mine;
  for (const auto& [hosts, extents] : left) {
    place(extents, hosts);
    mine |= extents;
  }
  if (mine.isEmpty())
    return;
  auto& gone = lost[std::string{host}];
  if (gone.extents.isEmpty())
    gone.since = version;
  gone.extents |= mine;
}

result<placement_map> placement_map::with_lost(std::string_view host) const {
  auto out = next();
  auto left = out.without(host);
  if (auto only = left.find(host_set{}); only != left.end())
    return fault{errc::precondition, "host '" + std::string{host} + "' has the only copy of "
                                         + std::to_string(only->second.cardinality())
                                         + " extents of volume '" + shape().name + "'"};
  out.lose(host, left);
  return placement_map{std::make_shared<const content>(std::move(out))};
}

placement_map placement_map::with_lost_shared(std::string_view host) const {
  auto out = next();
  auto left = out.without(host);
  left.erase(host_set{});
  out.lose(host, left);
  return placement_map{std::make_shared<const content>(std::move(out))};
}

placement_map placement_map::without_lost(std::string_view host,
                                          std::span<const std::uint32_t> extents) const {
  auto out = next();
  if (auto lost = out.lost.find(host); lost != out.lost.end())
    for (auto extent : extents)
      if (lost->second.extents.removeChecked(extent))
        note_retiring(out.retiring, extent, host, true);
  return placement_map{std::make_shared<const content>(std::move(out))};
}

const std::map<std::string, lost_replica, std::less<>>& placement_map::lost() const {
  return content_->lost;
}

roaring::Roaring placement_map::in_sync(std::string_view host) const {
  return content_->in_sync(host);
}

host_set placement_map::hosts_in_sync() const {
  std::set<std::string> out;
  for (const auto& entry : exceptions())
    out.insert(entry.first.begin(), entry.first.end());
  auto away = all_of(exceptions());
  content_->each_partition([&](std::uint64_t first, std::uint64_t end, const host_set& home) {
    auto known = [&](const std::string& host) { return out.count(host) != 0; };
    if (std::all_of(home.begin(), home.end(), known))
      return;
    if (away.isEmpty() || !away.containsRange(first, end))
      out.insert(home.begin(), home.end());
  });
  return {out.begin(), out.end()};
}

host_set placement_map::hosts_to_seal() const {
  auto in_sync = hosts_in_sync();
  std::set<std::string> out{in_sync.begin(), in_sync.end()};
  for (const auto& [hosts, extents] : retiring())
    for (const auto& host : hosts)
      if (lost().find(host) == lost().end())
        out.insert(host);
  return {out.begin(), out.end()};
}

roaring::Roaring placement_map::degraded() const {
  roaring::Roaring out;
  for (const auto& [hosts, extents] : exceptions())
    if (hosts.size() < shape().replicas)
      out |= extents;
  return out;
}

} // namespace foreshift
