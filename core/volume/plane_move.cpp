// SPDX-License-Identifier: Apache-2.0
// Moves: staging, mirroring, copying, comparing, committing, retiring.
#include "core/volume/plane_service.hpp"

#include "core/base/log.hpp"
#include "core/volume/pull.hpp"

namespace foreshift {

namespace {

constexpr std::chrono::milliseconds peer_timeout{5000};

result<packet<schema::Done>> ended(const result<void>& outcome) {
  if (!outcome)
    return outcome.error();
  return packet<schema::Done>{};
}

result<void> inside(const volume_shape& shape, const std::vector<std::uint32_t>& extents) {
  for (auto extent : extents)
    if (extent >= shape.extents())
      return fault{errc::invalid,
                   "volume '" + shape.name + "' has no extent " + std::to_string(extent)};
  return {};
}

} // namespace

plane_service::acknowledged plane_service::adopt(schema::PlaneAdopt::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  plane_.learn(in.getPeers());
  auto placement = placement_map::decode(volume.shape, in.getPlacement());
  if (!placement)
    return placement.error();
  auto settle = extents_of(in.getSettle());
  if (auto known = inside(volume.shape, settle); !known)
    return known.error();
  std::lock_guard control{volume.control};
  if (auto may = volume.gate->may_adopt(in.getEpoch(), placement->version()); !may)
    return may.error();
  // Recorded first: after a restart the former map might name a host that has missed writes since.
  auto recorded = plane_.records().put_map(volume.shape.id, in.getEpoch(),
                                           packet<schema::Placement>::seal(in.getPlacement()));
  if (!recorded)
    return recorded.error();
  return ended(volume.gate->adopt(in.getEpoch(), *placement, plane_.nbd_addresses(), settle));
}

plane_service::acknowledged plane_service::stage(schema::PlaneStage::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  auto extents = extents_of(in.getExtents());
  if (auto known = inside((*volume)->shape, extents); !known)
    return known.error();
  auto& store = *(*volume)->extents;
  return ended(in.getResync() ? store.stage_resync(in.getMove(), extents)
                              : store.stage(in.getMove(), extents));
}

/// The destination may never have seen this lease: it must hold the epoch before it takes writes of
/// it.
result<void> plane_service::fence_mirror(plane_volume& volume, std::uint64_t epoch,
                                         const std::string& destination) {
  const auto& self = plane_.options().host;
  if (destination == self) {
    if (auto own = volume.extents->promote(epoch, self); !own)
      return own.error();
    return {};
  }
  auto door = plane_.door_of(destination);
  if (!door)
    return door.error();
  auto request = packet<schema::PlanePromote>::make([&](auto out) {
    out.setVolume(volume.shape.id);
    out.setEpoch(epoch);
    out.setHolder(self);
  });
  if (auto got = (*door)->ask<schema::PlanePromoted>(request, peer_timeout); !got)
    return fault{got.error().code, "host '" + destination + "': " + got.error().detail};
  return {};
}

plane_service::acknowledged plane_service::mirror(schema::PlaneMirror::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  auto& gate = *volume.gate;
  plane_.learn(in.getPeers());
  mirror_order order{in.getMove(), in.getDestination().cStr(), extents_of(in.getExtents())};
  if (auto known = inside(volume.shape, order.extents); !known)
    return known.error();
  std::lock_guard control{volume.control};
  if (!in.getOn()) {
    if (auto done = gate.mirror_off(order.move); !done)
      return done.error();
    return ended(plane_.records().erase_mirror(volume.shape.id, order.move));
  }
  if (gate.state() != LeaseState::PRIMARY || gate.epoch() != in.getEpoch())
    return fault{errc::refused, "host '" + plane_.options().host + "' is not primary of volume '"
                                    + volume.shape.name + "' at epoch "
                                    + std::to_string(in.getEpoch())};
  if (auto done = fence_mirror(volume, in.getEpoch(), order.destination); !done)
    return done.error();
  // Recorded first: a restart in the middle of the move must go on mirroring, or the copy would
  // miss writes after it was compared.
  if (auto done = plane_.records().put_mirror(packet<schema::PlaneMirror>::seal(in)); !done)
    return done.error();
  return ended(gate.mirror_on(in.getEpoch(), order, plane_.nbd_addresses()));
}

plane_service::acknowledged plane_service::verify(schema::PlaneVerify::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  auto& gate = *volume.gate;
  auto extents = extents_of(in.getExtents());
  if (auto known = inside(volume.shape, extents); !known)
    return known.error();
  std::string source = in.getSource().cStr();
  std::string destination = in.getDestination().cStr();
  auto held = gate.lock_extents(extents);
  if (gate.state() != LeaseState::PRIMARY || gate.epoch() != in.getEpoch())
    return fault{errc::refused, "host '" + plane_.options().host + "' is not primary of volume '"
                                    + volume.shape.name + "' at epoch "
                                    + std::to_string(in.getEpoch())};
  // A source that is no replica any more may have been emptied, or be some other move's copy.
  auto map = gate.view()->placement;
  for (auto extent : extents)
    if (!map->holds(source, extent))
      return fault{errc::precondition, "extent " + std::to_string(extent) + " of volume '"
                                           + volume.shape.name + "' left host '" + source
                                           + "' during the move"};
  auto ours = digests_at(source, volume, extents, peer_timeout);
  if (!ours)
    return ours.error();
  auto theirs = digests_at(destination, volume, extents, peer_timeout);
  if (!theirs)
    return theirs.error();
  for (std::size_t i = 0; i < extents.size(); ++i)
    if ((*ours)[i] != (*theirs)[i])
      return fault{errc::corrupt, "extent " + std::to_string(extents[i]) + " of volume '"
                                      + volume.shape.name + "' on host '" + destination
                                      + "' differs from its source on host '" + source + "'"};
  return packet<schema::Done>{};
}

plane_service::acknowledged plane_service::commit(schema::PlaneCommit::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  return ended((*volume)->extents->commit(in.getMove(), extents_of(in.getExtents())));
}

plane_service::acknowledged plane_service::abort(schema::PlaneAbort::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return packet<schema::Done>{};
  return ended((*volume)->extents->abort(in.getMove()));
}

plane_service::acknowledged plane_service::retire(schema::PlaneRetire::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  return ended((*volume)->extents->retire(extents_of(in.getExtents())));
}

} // namespace foreshift
