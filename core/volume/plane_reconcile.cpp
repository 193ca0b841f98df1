// SPDX-License-Identifier: Apache-2.0
// Comparing replicas: after a takeover without a drain, and digests wherever they are.
#include "core/volume/plane_service.hpp"

#include "core/base/log.hpp"
#include "core/volume/hold_gate.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr std::size_t digests_per_call = 65536;

} // namespace

result<std::vector<std::uint64_t>>
plane_service::digests_at(const std::string& host, plane_volume& volume,
                          const std::vector<std::uint32_t>& extents,
                          std::chrono::milliseconds timeout) {
  if (host == plane_.options().host)
    return volume.extents->digests(extents);
  auto door = plane_.door_of(host);
  if (!door)
    return door.error();
  auto request = packet<schema::PlaneDigest>::make([&](auto out) {
    out.setVolume(volume.shape.id);
    out.setExtents(kj::arrayPtr(extents.data(), extents.size()));
  });
  auto got = (*door)->ask<schema::PlaneDigests>(request, timeout);
  if (!got)
    return fault{got.error().code, "host '" + host + "': " + got.error().detail};
  auto list = got->read().getDigests();
  if (list.size() != extents.size())
    return fault{errc::malformed, "host '" + host + "' answered with too few digests"};
  std::vector<std::uint64_t> out;
  for (auto digest : list)
    out.push_back(digest);
  return out;
}

/// After a takeover whose source was not drained; every host of the map has been promoted since
/// `promoted_ns`. A host that the map leaves out was not: with a former holder that reaches it, or
/// is it, that holder's reads are waited out.
result<void> plane_service::settle_unclean(plane_volume& volume, schema::PlaneTakeover::Reader in,
                                           std::int64_t promoted_ns) {
  auto map = plane_.records().map(volume.shape.id, in.getEpoch());
  if (!map || !*map)
    return map ? fault{errc::corrupt, "the standby's map is gone"} : map.error();
  auto placement = placement_map::decode(volume.shape, (*map)->read());
  if (!placement)
    return placement.error();
  auto patience = std::chrono::milliseconds{in.getTimeoutMs() == 0 ? 5000 : in.getTimeoutMs()};
  if (auto equal = reconcile(volume, *placement, in.getEpoch(), patience); !equal)
    return equal;
  if (!placement->lost().empty())
    hold_gate{plane_.clock()}.wait(promoted_ns + std::chrono::nanoseconds{read_lease_over}.count(),
                                   [] { return false; });
  return {};
}

/// The writes a dead holder had in flight may be on some replicas only. Its notes died with it, so
/// the block checksums tell: extents that differ are copied from one replica to the others.
result<void> plane_service::reconcile(plane_volume& volume, const placement_map& placement,
                                      std::uint64_t epoch, std::chrono::milliseconds timeout) {
  std::map<host_set, std::vector<std::uint32_t>> shared;
  for (std::uint32_t extent = 0; extent < volume.shape.extents(); ++extent)
    if (const auto& hosts = placement.replicas(extent); hosts.size() > 1)
      shared[hosts].push_back(extent);
  std::uint64_t mended = 0;
  for (const auto& [hosts, extents] : shared) {
    for (std::size_t at = 0; at < extents.size(); at += digests_per_call) {
      auto last = std::min(at + digests_per_call, extents.size());
      std::vector<std::uint32_t> some(extents.begin() + static_cast<std::ptrdiff_t>(at),
                                      extents.begin() + static_cast<std::ptrdiff_t>(last));
      std::vector<std::vector<std::uint64_t>> all;
      for (const auto& host : hosts) {
        auto digests = digests_at(host, volume, some, timeout);
        if (!digests)
          return digests.error();
        all.push_back(*std::move(digests));
      }
      for (std::size_t i = 0; i < some.size(); ++i) {
        auto same = [&](const auto& digests) { return digests[i] == all.front()[i]; };
        if (std::all_of(all.begin(), all.end(), same))
          continue;
        if (auto done = volume.gate->equalise(epoch, some[i]); !done)
          return done;
        ++mended;
      }
    }
  }
  slog::info("volume {} compared its replicas after an unclean takeover extents_mended={}",
             volume.shape.name, mended);
  return {};
}

plane_service::answered<schema::PlaneDigests>
plane_service::digest(schema::PlaneDigest::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  auto digests = (*volume)->extents->digests(extents_of(in.getExtents()));
  if (!digests)
    return digests.error();
  return packet<schema::PlaneDigests>::make(
      [&](auto out) { out.setDigests(kj::arrayPtr(digests->data(), digests->size())); });
}

} // namespace foreshift
