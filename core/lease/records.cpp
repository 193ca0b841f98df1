// SPDX-License-Identifier: Apache-2.0
#include "core/lease/records.hpp"

#include <fmt/format.h>

namespace foreshift::lease {

std::string lease_key(std::uint64_t volume) {
  return fmt::format("leases/{:016}", volume);
}
std::string placement_key(std::uint64_t volume) {
  return fmt::format("placements/{:016}", volume);
}
std::string volume_key(std::uint64_t volume) {
  return fmt::format("volumes/{:016}", volume);
}
std::string move_key(std::uint64_t move) {
  return fmt::format("moves/{:016}", move);
}

std::string policy_key(std::uint64_t volume) {
  return fmt::format("policies/{:016}", volume);
}

void encode(const host_address& x, schema::HostAddress::Builder out) {
  out.setName(x.name.c_str());
  out.setNbd(x.nbd.c_str());
  out.setPlane(x.plane.c_str());
  out.setAgent(x.agent.c_str());
  out.setZone(x.zone.c_str());
}

host_address decode(schema::HostAddress::Reader in) {
  return {in.getName().cStr(), in.getNbd().cStr(), in.getPlane().cStr(), in.getAgent().cStr(),
          in.getZone().cStr()};
}

void encode(const lease_record& x, schema::Lease::Builder out) {
  out.setVolume(x.volume);
  out.setEpoch(x.epoch);
  out.setHolder(x.holder.c_str());
  out.setHeldEpoch(x.held_epoch);
  if (x.prepared.id == 0)
    return;
  auto intent = out.initPrepared();
  intent.setId(x.prepared.id);
  intent.setEpoch(x.prepared.epoch);
  intent.setTo(x.prepared.to.c_str());
  intent.setFrom(x.prepared.from.c_str());
}

lease_record decode(schema::Lease::Reader in) {
  lease_record x{in.getVolume(), in.getEpoch(), in.getHolder().cStr(), in.getHeldEpoch(), {}};
  auto intent = in.getPrepared();
  x.prepared = {intent.getId(), intent.getEpoch(), intent.getTo().cStr(), intent.getFrom().cStr()};
  return x;
}

packet<schema::MoveRecord> encode(const move_record& x) {
  return packet<schema::MoveRecord>::make([&](auto out) {
    out.setId(x.id);
    out.setVolume(x.volume);
    out.setEpoch(x.epoch);
    out.setSource(x.source.c_str());
    out.setDestination(x.destination.c_str());
    out.setExtents(kj::arrayPtr(x.extents.data(), x.extents.size()));
    out.setCommitted(x.committed);
    out.setMapVersion(x.map_version);
    out.setResync(x.resync);
  });
}

move_record decode(schema::MoveRecord::Reader in) {
  move_record x;
  x.id = in.getId();
  x.volume = in.getVolume();
  x.epoch = in.getEpoch();
  x.source = in.getSource().cStr();
  x.destination = in.getDestination().cStr();
  for (auto extent : in.getExtents())
    x.extents.push_back(extent);
  x.committed = in.getCommitted();
  x.map_version = in.getMapVersion();
  x.resync = in.getResync();
  return x;
}

void encode(const flip_times& x, schema::FlipTimes::Builder out) {
  out.setDrainUs(x.drain_us);
  out.setPromoteUs(x.promote_us);
  out.setServeUs(x.serve_us);
  out.setTotalUs(x.total_us);
  out.setWaitedUs(x.waited_us);
}

flip_times decode(schema::FlipTimes::Reader in) {
  return {in.getDrainUs(), in.getPromoteUs(), in.getServeUs(), in.getTotalUs(), in.getWaitedUs()};
}

std::string to_value(const lease_record& x) {
  return to_value(packet<schema::Lease>::make([&](auto out) { encode(x, out); }));
}

std::string to_value(const move_record& x) {
  return to_value(encode(x));
}

} // namespace foreshift::lease
