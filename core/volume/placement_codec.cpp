// SPDX-License-Identifier: Apache-2.0
// A placement as a record.
#include "core/volume/placement.hpp"
#include "core/volume/placement_content.hpp"
#include "core/volume/roaring_codec.hpp"

#include <iterator>

namespace foreshift {

using namespace placement_parts;

namespace {

constexpr std::size_t replica_sets_max = 1u << 16;

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

using lost_replicas = std::map<std::string, lost_replica, std::less<>>;

result<lost_replicas> decode_lost(const volume_shape& shape, schema::Placement::Reader in) {
  lost_replicas out;
  for (auto item : in.getLost()) {
    std::string name{item.getHost().cStr(), item.getHost().size()};
    if (!valid_host_name(name))
      return malformed("'" + name + "' is not a host name");
    if (!out.empty() && std::prev(out.end())->first >= name)
      return malformed("lost replicas are not sorted and unique");
    if (item.getSince() == 0 || item.getSince() > in.getVersion())
      return malformed("a replica was lost at version " + std::to_string(item.getSince()));
    auto bytes = item.getExtents();
    auto extents = decode_roaring({bytes.begin(), bytes.size()}, shape.extents() - 1);
    if (!extents)
      return fault{extents.error().code, "placement: " + extents.error().detail};
    out[std::move(name)] = {item.getSince(), *std::move(extents)};
  }
  return out;
}

void encode_lost(const lost_replicas& lost, capnp::List<schema::LostReplica>::Builder out) {
  unsigned i = 0;
  for (const auto& [host, entry] : lost) {
    auto item = out[i++];
    item.setHost(host.c_str());
    item.setSince(entry.since);
    auto bytes = encode_roaring(entry.extents);
    item.setExtents(kj::arrayPtr(bytes.data(), bytes.size()));
  }
}

} // namespace

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
  auto lost = decode_lost(shape, in);
  if (!lost)
    return lost.error();
  for (const auto& [host, entry] : *lost) {
    auto retired = all_with(made->retiring, host);
    if (entry.extents.isEmpty() && retired.isEmpty())
      return malformed("host '" + host + "' lost nothing");
    if (entry.extents.intersect(retired) || entry.extents.intersect(made->in_sync(host)))
      return malformed("host '" + host + "' lost an extent that it holds or retires");
  }
  made->lost = *std::move(lost);
  return placement_map{std::move(made)};
}

void placement_map::encode(schema::Placement::Builder out) const {
  out.setVolume(shape().id);
  out.setVersion(version());
  encode_sets(exceptions(), out.initExceptions(static_cast<unsigned>(exceptions().size())));
  encode_sets(retiring(), out.initRetiring(static_cast<unsigned>(retiring().size())));
  if (!lost().empty()) // an empty list would cost bytes
    encode_lost(lost(), out.initLost(static_cast<unsigned>(lost().size())));
}

packet<schema::Placement> placement_map::encode() const {
  return packet<schema::Placement>::make([&](auto root) { encode(root); });
}

} // namespace foreshift
