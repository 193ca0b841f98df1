// SPDX-License-Identifier: Apache-2.0
// Scrubbing, repair of corrupt blocks, and failed replicas.
#include "core/volume/plane_service.hpp"

#include "core/base/log.hpp"
#include "core/volume/scrubber.hpp"

namespace foreshift {

namespace {

constexpr std::size_t extents_max = 64;

} // namespace

plane_service::acknowledged plane_service::scrub(schema::PlaneScrub::Reader in) {
  plane_.scrub().start(in.getFull());
  plane_.wake_scrub();
  return packet<schema::Done>{};
}

plane_service::answered<schema::PlaneRepaired>
plane_service::repair(schema::PlaneRepair::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  auto extents = extents_of(in.getExtents());
  if (extents.size() > extents_max)
    return fault{errc::invalid, "a repair is of at most 64 extents"};
  replica_io::mending notes;
  for (auto extent : extents)
    if (auto done = (*volume)->gate->mend_extent(extent, notes);
        !done && done.error().code != errc::corrupt)
      return done.error();
  slog::info("volume {} was checked for a partition host extents={} blocks_repaired={} lost={}",
             (*volume)->shape.name, extents.size(), notes.blocks, notes.lost.size());
  return packet<schema::PlaneRepaired>::make([&](auto out) {
    out.setBlocks(notes.blocks);
    out.setLost(notes.lost.size());
  });
}

plane_service::acknowledged plane_service::reopen(schema::PlaneReopen::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  if (auto done = (*volume)->extents->reopen(); !done)
    return done.error();
  return packet<schema::Done>{};
}

plane_service::acknowledged plane_service::trust(schema::PlaneTrust::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  if (auto done = (*volume)->extents->trust(in.getDoubt()); !done)
    return done.error();
  return packet<schema::Done>{};
}

void fill_scrub(plane& host, schema::ScrubState::Builder out) {
  constexpr const char* names[] = {"", "light", "full"};
  auto now = host.scrub().status();
  out.setRunning(names[static_cast<std::size_t>(now.progress.running)]);
  out.setDoneBytes(now.progress.done_bytes);
  out.setTotalBytes(now.total_bytes);
  out.setRateBytes(now.rate_bytes);
  out.setLightDoneMs(now.progress.light_ms);
  out.setFullDoneMs(now.progress.full_ms);
  out.setCorrupt(now.corrupt);
  out.setStrayBytes(now.progress.stray_bytes);
}

} // namespace foreshift
