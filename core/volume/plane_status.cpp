// SPDX-License-Identifier: Apache-2.0
// What the plane tells about itself.
#include "core/volume/plane_service.hpp"

#include "core/volume/roaring_codec.hpp"

#include <algorithm>
#include <unistd.h>

namespace foreshift {

namespace {

// 24 bytes a record: the answer stays well below the largest message.
constexpr std::uint32_t records_per_answer_max = 200'000;
constexpr std::size_t corrupt_listed_max = 64;

void fill_volume(const plane_volume& volume, schema::PlaneVolume::Builder out) {
  const auto& extents = *volume.extents;
  const auto& gate = *volume.gate;
  auto view = gate.view();
  auto fence = extents.fence();
  auto inventory = extents.inventory();
  out.setId(volume.shape.id);
  out.setName(volume.shape.name);
  out.setState(view->state);
  out.setEpoch(view->epoch);
  out.setFenceEpoch(fence.epoch);
  out.setFenceHolder(fence.holder);
  out.setMapVersion(view->placement ? view->placement->version() : 0);
  out.setExtentsPresent(inventory.present.cardinality());
  out.setBytesPresent(extents.bytes_present());
  out.setExtentsStaged(inventory.staged.cardinality());
  gate.counters().fill(out.initIo());
  out.setReadsLocal(gate.reads_local());
  out.setReadsRemote(gate.reads_remote());
  if (view->state == LeaseState::PRIMARY) {
    auto missed = gate.missed();
    out.setMissed(kj::arrayPtr(missed.data(), missed.size()));
  }
  out.setCorrupt(extents.corrupt_blocks());
  out.setRequestsHeld(gate.held());
  auto moves = extents.moves_staged();
  out.setMoves(kj::arrayPtr(moves.data(), moves.size()));
  out.setSizeBytes(volume.shape.size_bytes);
  out.setExtentBytes(volume.shape.extent_bytes);
  out.setRepaired(gate.repaired());
  out.setLost(gate.lost());
  out.setFailed(extents.failure());
  out.setDoubt(extents.doubt());
  auto watches = extents.watches();
  out.setWatches(kj::arrayPtr(watches.data(), watches.size()));
  auto corrupt = extents.corrupt_extents();
  std::vector<std::uint32_t> some(corrupt.begin(), corrupt.end());
  some.resize(std::min<std::size_t>(some.size(), corrupt_listed_max));
  out.setCorruptExtents(kj::arrayPtr(some.data(), some.size()));
}

schema::AccessOp to_schema(access_op op) {
  switch (op) {
  case access_op::read:
    return schema::AccessOp::READ;
  case access_op::write:
    return schema::AccessOp::WRITE;
  case access_op::zero:
    return schema::AccessOp::ZERO;
  }
  return schema::AccessOp::READ;
}

/// `offset_ns` turns the notes' monotonic time into wall time.
void fill_batch(std::uint64_t volume, const std::vector<access_note>& notes, std::int64_t offset_ns,
                schema::AccessBatch::Builder out) {
  auto earlier = [](const access_note& x, const access_note& y) { return x.at_ns < y.at_ns; };
  auto first = std::min_element(notes.begin(), notes.end(), earlier)->at_ns;
  auto start_ms = (first + offset_ns) / 1'000'000;
  out.setVolume(volume);
  out.setStartMs(start_ms);
  auto records = out.initRecords(static_cast<unsigned>(notes.size()));
  for (unsigned i = 0; i < notes.size(); ++i) {
    const auto& note = notes[i];
    auto at_us = (note.at_ns + offset_ns) / 1000 - start_ms * 1000;
    auto record = records[i];
    record.setAtUs(static_cast<std::uint32_t>(std::min<std::int64_t>(at_us, UINT32_MAX)));
    record.setVci(note.vci);
    record.setSector(note.sector);
    record.setBytes(note.bytes);
    record.setOp(to_schema(note.op));
    record.setLocal(note.local);
  }
}

} // namespace

plane_service::answered<schema::PlaneStatus>
plane_service::status(schema::PlaneStatusGet::Reader in) {
  std::vector<std::shared_ptr<plane_volume>> volumes;
  if (in.getVolume() == 0) {
    volumes = plane_.volumes();
  } else {
    auto one = plane_.find(in.getVolume());
    if (!one)
      return one.error();
    volumes.push_back(*one);
  }
  auto clients = plane_.clients();
  if (in.getVolume() != 0)
    std::erase_if(clients, [&](const auto& x) { return x.volume != in.getVolume(); });
  auto space = plane_.store().space();
  return packet<schema::PlaneStatus>::make([&](auto out) {
    out.setHost(plane_.options().host);
    auto list = out.initVolumes(static_cast<unsigned>(volumes.size()));
    for (unsigned i = 0; i < volumes.size(); ++i)
      fill_volume(*volumes[i], list[i]);
    auto disk = out.initDisk();
    disk.setTotalBytes(space.total_bytes);
    disk.setFreeBytes(space.free_bytes);
    disk.setReserveBytes(space.reserve_bytes);
    out.setPid(static_cast<std::uint32_t>(::getpid()));
    out.setStartedMs(plane_.started_ms());
    auto rows = out.initClients(static_cast<unsigned>(clients.size()));
    for (unsigned i = 0; i < clients.size(); ++i) {
      rows[i].setVolume(clients[i].volume);
      rows[i].setPid(static_cast<std::uint32_t>(std::max<std::int64_t>(clients[i].pid, 0)));
      rows[i].setVci(clients[i].vci);
      rows[i].setSinceMs(clients[i].since_ms);
    }
    plane_.peer_io().fill(out.initPeerIo());
    plane_.copy_io().fill(out.initCopyIo());
    out.setLogDropped(plane_.log().dropped());
    fill_scrub(plane_, out.initScrub());
  });
}

plane_service::answered<schema::PlaneLog> plane_service::log(schema::PlaneLogGet::Reader in) {
  auto wanted = in.getRecordsMax() == 0 ? records_per_answer_max : in.getRecordsMax();
  auto notes = plane_.log().take(std::min(wanted, records_per_answer_max));
  std::map<std::uint64_t, std::vector<access_note>> by_volume;
  for (const auto& note : notes)
    if (auto volume = plane_.volume_of_slot(note.volume_slot); volume != 0)
      by_volume[volume].push_back(note);
  const auto& clock = plane_.clock();
  auto offset_ns = clock.wall_ms() * 1'000'000 - clock.monotonic_ns();
  return packet<schema::PlaneLog>::make([&](auto out) {
    auto batches = out.initBatches(static_cast<unsigned>(by_volume.size()));
    unsigned i = 0;
    for (const auto& [volume, some] : by_volume)
      fill_batch(volume, some, offset_ns, batches[i++]);
    out.setMore(plane_.log().pending());
  });
}

plane_service::answered<schema::PlaneInventory>
plane_service::inventory(schema::PlaneInventoryGet::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  auto inventory = (*volume)->extents->inventory();
  auto present = encode_roaring(inventory.present);
  auto staged = encode_roaring(inventory.staged);
  auto retired = encode_roaring(inventory.retired);
  auto lost = encode_roaring(inventory.lost);
  return packet<schema::PlaneInventory>::make([&](auto out) {
    out.setPresent(kj::arrayPtr(present.data(), present.size()));
    out.setStaged(kj::arrayPtr(staged.data(), staged.size()));
    out.setRetired(kj::arrayPtr(retired.data(), retired.size()));
    out.setLost(kj::arrayPtr(lost.data(), lost.size()));
  });
}

} // namespace foreshift
