// SPDX-License-Identifier: Apache-2.0
// Copying, whole or only what differs; what hosts note while another is out; suspects.
#include "core/volume/plane_service.hpp"

#include "core/base/log.hpp"
#include "core/volume/roaring_codec.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr std::chrono::milliseconds compare_timeout{10000}; // 16 extents are read and hashed
constexpr std::size_t hashed_per_call = 16;
constexpr std::uint32_t wait_ms_max = 60'000;

result<packet<schema::Done>> ended(const result<void>& outcome) {
  if (!outcome)
    return outcome.error();
  return packet<schema::Done>{};
}

} // namespace

plane_service::acknowledged plane_service::watch(schema::PlaneWatch::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  return ended((*volume)->extents->watch(in.getSince()));
}

plane_service::acknowledged plane_service::unwatch(schema::PlaneUnwatch::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return packet<schema::Done>{};
  return ended((*volume)->extents->unwatch(in.getSince()));
}

plane_service::answered<schema::PlaneChanged>
plane_service::changed(schema::PlaneChangedGet::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  auto changed = (*volume)->extents->changed(in.getSince());
  return packet<schema::PlaneChanged>::make([&](auto out) {
    out.setKnown(changed.has_value());
    if (!changed)
      return;
    auto bytes = encode_roaring(*changed);
    out.setExtents(kj::arrayPtr(bytes.data(), bytes.size()));
  });
}

plane_service::answered<schema::PlaneBlocks>
plane_service::block_hashes(schema::PlaneBlockHashes::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  if (in.getExtents().size() > hashed_per_call)
    return fault{errc::too_large,
                 "at most " + std::to_string(hashed_per_call) + " extents are hashed at once"};
  auto hashes = (*volume)->extents->block_hashes(extents_of(in.getExtents()));
  if (!hashes)
    return hashes.error();
  return packet<schema::PlaneBlocks>::make([&](auto out) {
    auto list = out.initHashes(static_cast<unsigned>(hashes->size()));
    for (unsigned i = 0; i < hashes->size(); ++i) {
      const auto& bytes = (*hashes)[i];
      list.set(i, kj::arrayPtr(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
    }
  });
}

/// Answered by whoever changes the board, so that no thread waits.
bool plane_service::suspects_wait(const door::envelope& request, door::answer& reply) {
  if (request.type != packet<schema::PlaneSuspectsWait>::type_id)
    return false;
  auto in = packet<schema::PlaneSuspectsWait>::admit(request.payload);
  if (!in) {
    reply(in.error());
    return true;
  }
  auto timeout = std::chrono::milliseconds{std::min(in->read().getTimeoutMs(), wait_ms_max)};
  auto tell = [reply = std::move(reply)](const suspect_board::report& found) {
    reply(door::wrap(packet<schema::PlaneSuspects>::make([&](auto out) {
      out.setSerial(found.serial);
      auto list = out.initSuspects(static_cast<unsigned>(found.suspects.size()));
      for (unsigned i = 0; i < found.suspects.size(); ++i) {
        const auto& x = found.suspects[i];
        list[i].setVolume(x.volume);
        list[i].setEpoch(x.epoch);
        list[i].setHost(x.host.c_str());
        list[i].setSinceMs(x.since_ms);
        list[i].setReason(to_string(x.reason).c_str());
      }
      out.setWishes(kj::arrayPtr(found.wishes.data(), found.wishes.size()));
    })));
  };
  plane_.suspects().wait(in->read().getSerial(), timeout, std::move(tell));
  return true;
}

/// Extents of zeroes need no copying: a fresh staged copy is zeroes. Without an answer, copy them
/// all.
std::vector<std::uint32_t> plane_service::nonzero(const std::string& source, plane_volume& volume,
                                                  const std::vector<std::uint32_t>& extents) {
  auto digests = digests_at(source, volume, extents, compare_timeout);
  if (!digests)
    return extents;
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < extents.size(); ++i)
    if ((*digests)[i] != 0)
      out.push_back(extents[i]);
  return out;
}

result<void> plane_service::compare_blocks(const std::string& source, plane_volume& volume,
                                           std::uint64_t move,
                                           std::span<const std::uint32_t> extents,
                                           std::vector<pull_range>& out) {
  auto door = plane_.door_of(source);
  if (!door)
    return door.error();
  auto request = packet<schema::PlaneBlockHashes>::make([&](auto ask) {
    ask.setVolume(volume.shape.id);
    ask.setExtents(kj::arrayPtr(extents.data(), extents.size()));
  });
  auto got = (*door)->ask<schema::PlaneBlocks>(request, compare_timeout);
  if (!got)
    return fault{got.error().code, "host '" + source + "': " + got.error().detail};
  auto list = got->read().getHashes();
  if (list.size() != extents.size())
    return fault{errc::malformed, "host '" + source + "' answered with too few hashes"};
  for (unsigned i = 0; i < list.size(); ++i) {
    auto hashes = list[i].asBytes();
    auto blocks = volume.extents->differing(
        move, extents[i], std::as_bytes(std::span{hashes.begin(), hashes.size()}));
    if (!blocks)
      return blocks.error();
    add_blocks(out, extents[i], *blocks);
  }
  return {};
}

/// Extents changed while this host was out are compared block by block; of the others the digests,
/// and block by block only if they are not the same.
result<std::vector<pull_range>> plane_service::compare(const std::string& source,
                                                       plane_volume& volume,
                                                       schema::PlanePull::Reader in) {
  auto bytes = in.getChanged();
  auto changed = decode_roaring({bytes.begin(), bytes.size()}, volume.shape.extents() - 1);
  if (!changed)
    return changed.error();
  std::vector<std::uint32_t> suspicious, quiet;
  for (auto extent : in.getExtents())
    (changed->contains(extent) ? suspicious : quiet).push_back(extent);
  auto theirs = digests_at(source, volume, quiet, compare_timeout);
  if (!theirs)
    return theirs.error();
  auto ours = volume.extents->digests(quiet);
  if (!ours)
    return ours.error();
  for (std::size_t i = 0; i < quiet.size(); ++i)
    if ((*ours)[i] != (*theirs)[i])
      suspicious.push_back(quiet[i]);
  std::vector<pull_range> out;
  for (std::size_t at = 0; at < suspicious.size(); at += hashed_per_call) {
    auto some = std::span{suspicious}.subspan(at);
    some = some.first(std::min(some.size(), hashed_per_call));
    if (auto done = compare_blocks(source, volume, in.getMove(), some, out); !done)
      return done.error();
  }
  return out;
}

plane_service::answered<schema::PlanePulled> plane_service::pull(schema::PlanePull::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  auto extents = extents_of(in.getExtents());
  for (auto extent : extents)
    if (extent >= volume.shape.extents())
      return fault{errc::invalid,
                   "volume '" + volume.shape.name + "' has no extent " + std::to_string(extent)};
  std::string source = in.getSource().getName().cStr();
  std::vector<pull_range> wanted;
  if (in.getChanged().size() > 0) {
    auto compared = compare(source, volume, in);
    if (!compared)
      return compared.error();
    wanted = *std::move(compared);
  } else {
    wanted = whole_extents(volume.extents->layout(), nonzero(source, volume, extents));
  }
  pull_source from{source, in.getSource().getNbd().cStr()};
  auto totals = pull_extents(from, in.getMove(), wanted, *volume.extents, plane_.copies(),
                             plane_.pace(), helpers_);
  if (!totals)
    return totals.error();
  if (!in.getMore())
    if (auto synced = volume.extents->sync_staged(in.getMove()); !synced)
      return synced.error();
  return packet<schema::PlanePulled>::make([&](auto out) {
    out.setBytesCopied(totals->bytes_copied);
    out.setBytesSkipped(totals->bytes_skipped);
  });
}

} // namespace foreshift
