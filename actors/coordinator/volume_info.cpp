// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/volume_info.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace foreshift::control {

namespace {

std::string health_of(const volume_entry& volume, const host_table& hosts) {
  auto& facts = volume.facts;
  if (auto missing = degradation_of(facts.placement); !missing.empty())
    return "degraded: " + missing;
  for (auto& name : facts.placement.hosts_to_seal()) {
    auto at = hosts.find(name);
    if (at == hosts.end() || !at->second->up)
      return fmt::format("degraded: host {} is down", name);
    schema::PlaneVolume::Reader row;
    if (find_volume(*at->second, volume.id(), row))
      if (auto wrong = damage_of(name, row); !wrong.empty())
        return wrong.front();
  }
  return "ok";
}

} // namespace

std::vector<std::string> damage_of(const std::string& host, schema::PlaneVolume::Reader row) {
  std::vector<std::string> out;
  auto volume = row.getName().cStr();
  if (row.getLost() > 0)
    out.push_back(fmt::format("volume {}: {} blocks with no good copy", volume, row.getLost()));
  if (row.getFailed().size() > 0)
    out.push_back(fmt::format("volume {}: its replica at host {} has failed: {}", volume, host,
                              row.getFailed().cStr()));
  if (row.getDoubt() != 0)
    out.push_back(fmt::format("volume {}: host {} restarted, and its replica is not compared yet",
                              volume, host));
  if (auto found = row.getCorruptExtents(); found.size() > 0)
    out.push_back(fmt::format("volume {}: {}{} extents corrupt at host {}, not repaired yet",
                              volume, found.size() == 64 ? "at least " : "", found.size(), host));
  return out;
}

bool find_volume(const host_entry& host, std::uint64_t volume, schema::PlaneVolume::Reader& out) {
  for (auto row : host.report.read().getPlane().getVolumes())
    if (row.getId() == volume) {
      out = row;
      return true;
    }
  return false;
}

std::string degradation_of(const placement_map& map) {
  auto degraded = map.degraded().cardinality();
  if (degraded == 0)
    return {};
  std::vector<std::string> lost;
  for (auto& [host, x] : map.lost())
    if (!x.extents.isEmpty())
      lost.push_back(host);
  return fmt::format("{} extents have fewer than {} replicas{}{}", degraded, map.shape().replicas,
                     lost.empty() ? "" : "; left out: ", fmt::join(lost, ", "));
}

void encode_volume(const volume_entry& volume, const host_table& hosts, const care& looked_after,
                   schema::VolumeInfo::Builder out) {
  auto& facts = volume.facts;
  encode_shape(facts.shape(), out.initSpec());
  out.getSpec().setCreatedMs(volume.created_ms);
  lease::encode(facts.lease, out.initLease());
  encode_policy(volume.policy, out.initPolicy());
  out.setMapVersion(facts.placement.version());
  out.setExceptionBytes(facts.placement.encode().bytes().size());
  out.setHealth(health_of(volume, hosts).c_str());
  std::vector<std::pair<std::string, schema::PlaneVolume::Reader>> found;
  for (auto& [name, host] : hosts)
    if (schema::PlaneVolume::Reader row;
        find_volume(*host, volume.id(), row) && row.getExtentsPresent() > 0)
      found.emplace_back(name, row);
  auto rows = out.initResidency(static_cast<unsigned>(found.size()));
  for (unsigned i = 0; i < found.size(); ++i) {
    rows[i].setHost(found[i].first.c_str());
    rows[i].setExtents(found[i].second.getExtentsPresent());
    rows[i].setBytes(found[i].second.getBytesPresent());
  }
  out.setDegraded(facts.placement.degraded().cardinality());
  auto& lost = facts.placement.lost();
  auto away = out.initLost(static_cast<unsigned>(lost.size()));
  unsigned i = 0;
  for (auto& [host, x] : lost) {
    away[i].setHost(host.c_str());
    away[i].setExtents(x.extents.cardinality());
    away[i].setSince(x.since);
    auto state = looked_after.lost.find({volume.id(), host});
    away[i++].setState(state == looked_after.lost.end() ? "" : state->second.c_str());
  }
}

void encode_host(const host_entry& host, const std::vector<std::string>& attached,
                 schema::Host::Builder out) {
  auto report = host.report.read();
  lease::encode(host.address, out.initAddress());
  out.setUp(host.up);
  out.setDraining(host.draining);
  out.setSeenMs(host.seen_ms);
  out.setVersion(host.version.c_str());
  out.setSample(report.getSample());
  out.setNbsr(report.getNbsr());
  out.setVcis(report.getVcis());
  out.setPlane(report.getPlane());
  std::uint64_t extents = 0;
  std::uint64_t bytes = 0;
  for (auto row : report.getPlane().getVolumes()) {
    extents += row.getExtentsPresent();
    bytes += row.getBytesPresent();
  }
  out.setExtents(extents);
  out.setBytes(bytes);
  auto names = out.initVolumesAttached(static_cast<unsigned>(attached.size()));
  for (unsigned i = 0; i < attached.size(); ++i)
    names.set(i, attached[i].c_str());
}

} // namespace foreshift::control
