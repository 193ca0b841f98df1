// SPDX-License-Identifier: Apache-2.0
// What the simulated coordinator does for lost replicas; as actors/coordinator/mender.cpp, and an
// operator who calls the doctor for replicas that have failed.
#include "core/lease/loss_machine.hpp"
#include "core/lease/repair.hpp"
#include "core/lease/requests.hpp"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"
#include "tests/sim/coordinator.hpp"

#include <algorithm>

namespace foreshift::sim {

using namespace std::chrono_literals;

namespace {

constexpr auto look_timeout = 2s;
const std::string gone_prefix = "gone/";

} // namespace

/// One at a time; moves of the volume are stopped for it.
void coordinator::lose(const lease::loss_request& what, const char* why) {
  if (losing(what.volume))
    return;
  cancel_moves(what.volume);
  kernel::trace("host " + what.host + " is left out: " + why);
  auto x = std::make_shared<run>();
  x->volume = what.volume;
  x->loses = true;
  x->what = std::make_unique<lease::loss_machine>(what);
  begin(x);
}

/// What hosts say of their replicas of a volume.
void coordinator::hear(std::uint64_t volume, const std::string& host,
                       schema::PlaneVolume::Reader row) {
  auto now = facts(volume);
  if (!now)
    return;
  lease::replica_hosts up;
  for (const auto& name : memory_->up)
    up[name].up = true;
  auto& doubts = memory_->doubts[volume];
  doubts[host] = row.getDoubt();
  bool first = std::none_of(doubts.begin(), doubts.end(), [&](auto& x) {
    return x.second != 0 && x.second < row.getDoubt() && memory_->up.contains(x.first)
           && lease::others_have(now->placement, x.first, up);
  });
  if (row.getDoubt() != 0 && first && lease::others_have(now->placement, host, up))
    return lose({volume, host, 0, row.getDoubt()}, "it restarted with its machine");
  if (row.getFailed().size() == 0)
    return;
  if (!now->placement.in_sync(host).isEmpty()
      && lease::held_only_by(now->placement, {host}).isEmpty())
    return lose({volume, host, 0, 0}, "its replica has failed");
  if (now->placement.in_sync(host).isEmpty() && kernel::chance(0.3))
    tell(host,
         door::wrap(packet<schema::PlaneReopen>::make([&](auto out) { out.setVolume(volume); })));
}

/// The replicas that a primary waits for.
void coordinator::hear_suspects(const std::string& reporter) {
  auto got = door_of(reporter).ask<schema::PlaneSuspects>(
      packet<schema::PlaneSuspectsWait>::make([](auto) {}), look_timeout);
  if (!got)
    return;
  std::map<std::uint64_t, std::set<std::string>> together;
  for (auto x : got->read().getSuspects())
    together[x.getVolume()].insert(x.getHost().cStr());
  for (auto x : got->read().getSuspects()) {
    auto now = facts(x.getVolume());
    if (!now || now->lease.holder != reporter || now->lease.held_epoch != x.getEpoch()
        || now->lease.prepared.id != 0 || busy(x.getVolume(), true))
      continue;
    const auto& all = together[x.getVolume()];
    std::string host = x.getHost().cStr();
    auto only = lease::held_only_by(now->placement, {all.begin(), all.end()});
    if ((only & now->placement.in_sync(host)).isEmpty())
      lose({x.getVolume(), host, x.getEpoch(), 0}, x.getReason().cStr());
  }
}

/// One batch of what a host lost comes back, or is given up because others have it.
void coordinator::bring_back(const lease::volume_facts& now) {
  auto volume = now.shape().id;
  for (const auto& [host, lost] : now.placement.lost()) {
    if (lost.extents.isEmpty() || !memory_->up.contains(host))
      continue;
    auto& since = memory_->lost_since[{volume, host}];
    if (since.first != lost.since)
      since = {lost.since, kernel::now_ns()};
    if (kernel::now_ns() - since.second < 1 * second)
      continue;
    auto spare = lease::spare_at(now.placement, host, lost.extents);
    if (!spare.isEmpty()) {
      retire(volume, host, lease::to_vector(spare));
      return;
    }
    std::map<std::string, std::optional<roaring::Roaring>> notes;
    for (const auto& other : now.placement.hosts_in_sync())
      notes[other] = lease::decode_changed(
          door_of(other).call(lease::changed_get(volume, lost.since), look_timeout), now.shape());
    lease::replica_hosts up;
    for (const auto& name : memory_->up)
      up[name].up = true;
    auto changed = lease::changed_of(now.placement, lost.extents, notes);
    if (auto batch = lease::next_return(now.placement, host, changed, up)) {
      kernel::trace("host " + host + " gets back " + std::to_string(batch->extents.size())
                    + " extents");
      move(volume, batch->source, batch->destination, batch->extents, true);
      return;
    }
  }
}

/// As actors/coordinator/catalog.cpp.
result<void> coordinator::erase(std::uint64_t volume) {
  auto now = facts(volume);
  if (!now)
    return now.error();
  if (!now->lease.holder.empty() || now->lease.prepared.id != 0 || !now->moves.empty())
    return fault{errc::precondition, "it is attached, or being moved"};
  std::vector<compare> compares;
  compares.push_back({lease::lease_key(volume), now->lease_revision});
  compares.push_back({lease::placement_key(volume), now->placement_revision});
  std::vector<store_op> ops;
  for (auto& key :
       {lease::volume_key(volume), lease::lease_key(volume), lease::placement_key(volume)})
    ops.push_back({key, std::nullopt});
  ops.push_back({gone_prefix + std::to_string(volume), ""});
  if (auto done = memory_->keeper->txn(compares, ops); !done)
    return done.error();
  for (const auto& host : hosts_)
    tell(host, lease::forget(volume));
  return {};
}

/// Hosts that were away when a volume was deleted.
void coordinator::forget_erased() {
  auto gone = memory_->keeper->range(gone_prefix);
  if (!gone || gone->empty())
    return;
  for (const auto& host : hosts_) {
    auto got = door_of(host).ask<schema::PlaneStatus>(
        packet<schema::PlaneStatusGet>::make([](auto) {}), look_timeout);
    if (!got)
      continue;
    for (auto row : got->read().getVolumes())
      if (records_.records.contains(gone_prefix + std::to_string(row.getId())))
        tell(host, row.getState() == schema::LeaseState::PRIMARY
                       ? lease::release(row.getId(), row.getEpoch())
                       : lease::forget(row.getId()));
  }
}

} // namespace foreshift::sim
