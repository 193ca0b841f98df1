// SPDX-License-Identifier: Apache-2.0
#include "core/volume/placement.hpp"

#include "core/volume/roaring_codec.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>

namespace foreshift {

namespace {

using bitmaps = std::map<host_set, roaring::Roaring>;

constexpr std::size_t replica_sets_max = 1u << 16;

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

/// The set that lists `extent`, or end.
bitmaps::const_iterator listed(const bitmaps& sets, std::uint32_t extent) {
  return std::find_if(sets.begin(), sets.end(),
                      [&](const auto& entry) { return entry.second.contains(extent); });
}

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

/// Notes, or no longer notes, that `host` has to give up `extent`.
void note_retiring(bitmaps& sets, std::uint32_t extent, std::string_view host, bool retiring) {
  auto old = listed(sets, extent);
  auto hosts = old == sets.end() ? host_set{} : old->first;
  relist(sets, extent, retiring ? plus(std::move(hosts), host) : minus(std::move(hosts), host));
}

fault malformed(std::string why) {
  return {errc::malformed, "placement: " + std::move(why)};
}

result<bitmaps> decode_sets(const volume_shape& shape, capnp::List<schema::ReplicaSet>::Reader in) {
  if (in.size() > replica_sets_max)
    return malformed(std::to_string(in.size()) + " replica sets");
  bitmaps out;
  roaring::Roaring seen;
  for (auto item : in) {
    host_set hosts;
    for (auto host : item.getHosts()) {
      std::string name{host.cStr(), host.size()};
      if (!valid_host_name(name))
        return malformed("'" + name + "' is not a host name");
      if (!hosts.empty() && hosts.back() >= name)
        return malformed("hosts of a replica set are not sorted and unique");
      hosts.push_back(std::move(name));
    }
    if (hosts.empty())
      return malformed("a replica set without hosts");
    auto bytes = item.getExtents();
    auto extents = decode_roaring({bytes.begin(), bytes.size()}, shape.extents() - 1);
    if (!extents)
      return fault{extents.error().code, "placement: " + extents.error().detail};
    if (extents->isEmpty())
      return malformed("a replica set without extents");
    if (extents->intersect(seen))
      return malformed("an extent is in two replica sets");
    seen |= *extents;
    if (!out.emplace(std::move(hosts), *std::move(extents)).second)
      return malformed("the same replica set twice");
  }
  return out;
}

void encode_sets(const bitmaps& sets, capnp::List<schema::ReplicaSet>::Builder out) {
  unsigned i = 0;
  for (const auto& [hosts, extents] : sets) {
    auto item = out[i++];
    auto names = item.initHosts(static_cast<unsigned>(hosts.size()));
    for (unsigned j = 0; j < hosts.size(); ++j)
      names.set(j, hosts[j].c_str());
    auto bytes = encode_roaring(extents);
    item.setExtents(kj::arrayPtr(bytes.data(), bytes.size()));
  }
}

} // namespace

/// Home sets as they are asked for: a pointer a partition, each distinct set stored once. Shared by
/// every version of a volume's map; filled in by whichever thread asks first.
class placement_map::home_table {
public:
  explicit home_table(volume_shape of) : shape(std::move(of)) {
    auto partitions = std::size_t{partition_of(shape, shape.extents() - 1)} + 1;
    known_ = std::make_unique<std::atomic<const host_set*>[]>(partitions);
  }

  const host_set& home(std::uint32_t extent) const {
    auto partition = partition_of(shape, extent);
    if (const auto* known = known_[partition].load(std::memory_order_acquire))
      return *known;
    auto hosts = home_of(shape, extent);
    std::lock_guard guard{mutex_};
    const auto& kept = *sets_.insert(std::move(hosts)).first;
    known_[partition].store(&kept, std::memory_order_release);
    return kept;
  }

  const volume_shape shape;

private:
  mutable std::mutex mutex_;
  mutable std::set<host_set> sets_; ///< Nodes never move.
  std::unique_ptr<std::atomic<const host_set*>[]> known_;
};

struct placement_map::content {
  std::shared_ptr<const home_table> homes;
  std::uint64_t version = 1;
  bitmaps exceptions;
  bitmaps retiring;

  const host_set& replicas(std::uint32_t extent) const {
    FORESHIFT_ENSURE(extent < homes->shape.extents());
    auto moved = listed(exceptions, extent);
    return moved == exceptions.end() ? homes->home(extent) : moved->first;
  }

  void place(std::uint32_t extent, const host_set& hosts) {
    relist(exceptions, extent, hosts == homes->home(extent) ? host_set{} : hosts);
  }
};

placement_map::placement_map(volume_shape shape) {
  FORESHIFT_ENSURE(check_geometry(shape));
  auto made = std::make_shared<content>();
  made->homes = std::make_shared<const home_table>(std::move(shape));
  content_ = std::move(made);
}

placement_map::placement_map(std::shared_ptr<const content> shared) : content_(std::move(shared)) {}

result<placement_map> placement_map::decode(const volume_shape& shape,
                                            schema::Placement::Reader in) {
  if (auto ok = check_geometry(shape); !ok)
    return ok.error();
  if (in.getVolume() != shape.id)
    return malformed("record of volume " + std::to_string(in.getVolume()) + ", not of "
                     + std::to_string(shape.id));
  if (in.getVersion() == 0)
    return malformed("version 0");
  auto exceptions = decode_sets(shape, in.getExceptions());
  if (!exceptions)
    return exceptions.error();
  auto retiring = decode_sets(shape, in.getRetiring());
  if (!retiring)
    return retiring.error();
  auto made = std::make_shared<content>();
  made->homes = std::make_shared<const home_table>(shape);
  made->version = in.getVersion();
  made->retiring = *std::move(retiring);
  // Only extents whose home set is the exception itself are not canonical; look partition by
  // partition, since a set may list millions of extents.
  auto stride = shape.partition_bytes / shape.extent_bytes;
  for (auto& [hosts, extents] : *exceptions) {
    if (hosts.size() != shape.replicas)
      continue;
    for (auto at = extents.begin(); at != extents.end();) {
      auto first = std::uint64_t{partition_of(shape, *at)} * stride;
      if (made->homes->home(*at) == hosts)
        return malformed("extent " + std::to_string(*at) + " is an exception to its own home");
      if (first + stride >= shape.extents())
        break;
      at.equalorlarger(static_cast<std::uint32_t>(first + stride));
    }
  }
  made->exceptions = *std::move(exceptions);
  return placement_map{std::move(made)};
}

void placement_map::encode(schema::Placement::Builder out) const {
  out.setVolume(shape().id);
  out.setVersion(version());
  encode_sets(exceptions(), out.initExceptions(static_cast<unsigned>(exceptions().size())));
  encode_sets(retiring(), out.initRetiring(static_cast<unsigned>(retiring().size())));
}

packet<schema::Placement> placement_map::encode() const {
  return packet<schema::Placement>::make([&](auto root) { encode(root); });
}

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

host_set placement_map::hosts_to_seal() const {
  std::set<std::string> out{shape().homes.begin(), shape().homes.end()};
  for (const auto* sets : {&exceptions(), &retiring()})
    for (const auto& entry : *sets)
      out.insert(entry.first.begin(), entry.first.end());
  return {out.begin(), out.end()};
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
  return placement_map{std::make_shared<const content>(std::move(out))};
}

placement_map placement_map::without_replica(std::string_view host,
                                             std::span<const std::uint32_t> extents) const {
  auto out = next();
  for (auto extent : extents) {
    if (!contains(out.replicas(extent), host))
      continue;
    auto left = minus(out.replicas(extent), host);
    FORESHIFT_ENSURE(left.size() >= shape().replicas); // I5
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
             && x.exceptions() == y.exceptions() && x.retiring() == y.retiring());
}

} // namespace foreshift
