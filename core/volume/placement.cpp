// SPDX-License-Identifier: Apache-2.0
#include "core/volume/placement.hpp"

#include "core/volume/placement_content.hpp"

#include <algorithm>

namespace foreshift {

using namespace placement_parts;

namespace {

/// Lists `extent` under `hosts` and nowhere else; under nothing when `hosts` is empty.
void relist(bitmaps& sets, std::uint32_t extent, const host_set& hosts) {
  auto old = listed(sets, extent);
  if (old != sets.end()) {
    auto& bitmap = sets[old->first];
    bitmap.remove(extent);
    if (bitmap.isEmpty())
      sets.erase(old);
  }
  if (!hosts.empty())
    sets[hosts].add(extent);
}

} // namespace

namespace placement_parts {

bool contains(const host_set& hosts, std::string_view host) {
  return std::binary_search(hosts.begin(), hosts.end(), host);
}

host_set plus(host_set hosts, std::string_view host) {
  auto at = std::lower_bound(hosts.begin(), hosts.end(), host);
  if (at == hosts.end() || *at != host)
    hosts.emplace(at, host);
  return hosts;
}

host_set minus(host_set hosts, std::string_view host) {
  std::erase(hosts, host);
  return hosts;
}

bitmaps::const_iterator listed(const bitmaps& sets, std::uint32_t extent) {
  return std::find_if(sets.begin(), sets.end(),
                      [&](const auto& entry) { return entry.second.contains(extent); });
}

void note_retiring(bitmaps& sets, std::uint32_t extent, std::string_view host, bool retiring) {
  auto old = listed(sets, extent);
  auto hosts = old == sets.end() ? host_set{} : old->first;
  relist(sets, extent, retiring ? plus(std::move(hosts), host) : minus(std::move(hosts), host));
}

roaring::Roaring all_of(const bitmaps& sets) {
  roaring::Roaring out;
  for (const auto& entry : sets)
    out |= entry.second;
  return out;
}

roaring::Roaring all_with(const bitmaps& sets, std::string_view host) {
  roaring::Roaring out;
  for (const auto& [hosts, extents] : sets)
    if (contains(hosts, host))
      out |= extents;
  return out;
}

} // namespace placement_parts

const host_set& placement_map::content::replicas(std::uint32_t extent) const {
  FORESHIFT_ENSURE(extent < shape().extents());
  auto moved = listed(exceptions, extent);
  return moved == exceptions.end() ? homes->home(extent) : moved->first;
}

void placement_map::content::place(std::uint32_t extent, const host_set& hosts) {
  relist(exceptions, extent, hosts == homes->home(extent) ? host_set{} : hosts);
}

placement_map::placement_map(volume_shape shape) {
  FORESHIFT_ENSURE(check_geometry(shape));
  auto made = std::make_shared<content>();
  made->homes = std::make_shared<const home_table>(std::move(shape));
  content_ = std::move(made);
}

placement_map::placement_map(std::shared_ptr<const content> shared) : content_(std::move(shared)) {}

const volume_shape& placement_map::shape() const {
  return content_->homes->shape;
}

std::uint64_t placement_map::version() const {
  return content_->version;
}

const host_set& placement_map::replicas(std::uint32_t extent) const {
  return content_->replicas(extent);
}

const host_set& placement_map::home(std::uint32_t extent) const {
  FORESHIFT_ENSURE(extent < shape().extents());
  return content_->homes->home(extent);
}

bool placement_map::holds(std::string_view host, std::uint32_t extent) const {
  return contains(replicas(extent), host);
}

placement_map::content placement_map::next() const {
  auto out = *content_;
  ++out.version;
  return out;
}

placement_map placement_map::with_replica(std::string_view host,
                                          std::span<const std::uint32_t> extents) const {
  FORESHIFT_ENSURE(valid_host_name(host));
  auto out = next();
  for (auto extent : extents) {
    note_retiring(out.retiring, extent, host, false);
    if (!contains(out.replicas(extent), host))
      out.place(extent, plus(out.replicas(extent), host));
  }
  if (auto lost = out.lost.find(host); lost != out.lost.end())
    for (auto extent : extents)
      lost->second.extents.remove(extent);
  out.tidy_lost(host);
  return placement_map{std::make_shared<const content>(std::move(out))};
}

placement_map placement_map::without_replica(std::string_view host,
                                             std::span<const std::uint32_t> extents) const {
  auto out = next();
  for (auto extent : extents) {
    if (!contains(out.replicas(extent), host))
      continue;
    auto left = minus(out.replicas(extent), host);
    auto awaited = std::count_if(out.lost.begin(), out.lost.end(),
                                 [&](const auto& x) { return x.second.extents.contains(extent); });
    FORESHIFT_ENSURE(!left.empty()
                     && left.size() + static_cast<std::size_t>(awaited) >= shape().replicas); // I5
    out.place(extent, left);
    note_retiring(out.retiring, extent, host, true);
  }
  return placement_map{std::make_shared<const content>(std::move(out))};
}

placement_map placement_map::without_retiring(std::string_view host,
                                              std::span<const std::uint32_t> extents) const {
  auto out = next();
  for (auto extent : extents)
    note_retiring(out.retiring, extent, host, false);
  out.tidy_lost(host);
  return placement_map{std::make_shared<const content>(std::move(out))};
}

const std::map<host_set, roaring::Roaring>& placement_map::exceptions() const {
  return content_->exceptions;
}

const std::map<host_set, roaring::Roaring>& placement_map::retiring() const {
  return content_->retiring;
}

std::vector<std::pair<std::uint32_t, host_set>> placement_map::surplus() const {
  std::vector<std::pair<std::uint32_t, host_set>> out;
  for (const auto& [hosts, extents] : exceptions())
    if (hosts.size() > shape().replicas)
      for (auto extent : extents)
        out.emplace_back(extent, hosts);
  std::sort(out.begin(), out.end());
  return out;
}

bool operator==(const placement_map& x, const placement_map& y) {
  return x.content_ == y.content_
         || (x.shape() == y.shape() && x.version() == y.version()
             && x.exceptions() == y.exceptions() && x.retiring() == y.retiring()
             && x.lost() == y.lost());
}

} // namespace foreshift
