// SPDX-License-Identifier: Apache-2.0
// Checks of volumes: what the store says against what the hosts have.
#include "core/base/units.hpp"
#include "core/diagnosis/checks.hpp"
#include "core/lease/replicas.hpp"
#include "core/lease/sweep_machine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace foreshift::diagnosis {

namespace {

std::string volume_subject(const lease::volume_facts& x) {
  return "volume " + x.shape().name;
}

/// The map can do without `host`.
bool spare(const lease::volume_facts& x, const std::string& host) {
  return x.lease.prepared.id == 0 && lease::held_only_by(x.placement, {host}).isEmpty();
}

std::optional<remedy> left_out(const lease::volume_facts& x, const std::string& host) {
  if (!spare(x, host))
    return std::nullopt;
  return remedy{remedy::kind::leave_out, x.shape().id, host, 0};
}

bool reachable(const evidence& x, const std::string& host) {
  auto at = x.hosts.find(host);
  return at != x.hosts.end() && at->second.up && at->second.plane;
}

void judge_row(const lease::volume_facts& facts, const std::string& host,
               schema::PlaneVolume::Reader row, notes& out) {
  auto& lease = facts.lease;
  auto subject = volume_subject(facts);
  bool primary = row.getState() == schema::LeaseState::PRIMARY;
  if (row.getFenceEpoch() > lease.epoch)
    out.add(verdict::fail, subject,
            fmt::format("host {} has seen epoch {}, the store has given out {} at most", host,
                        row.getFenceEpoch(), lease.epoch),
            "the coordinator's store is older than the hosts: restore the newest backup before "
            "anything is attached or flipped");
  if (lease.prepared.id != 0)
    return;
  if (primary && lease.holder != host)
    out.add(verdict::fail, subject,
            fmt::format("host {} serves it at epoch {}, but host {} holds the lease", host,
                        row.getEpoch(), lease.holder.empty() ? "-" : lease.holder),
            "it is told to release it; its requests are fenced meanwhile");
  else if (lease.holder == host && !(primary && row.getEpoch() == lease.held_epoch))
    out.add(verdict::fail, subject,
            fmt::format("host {} holds the lease at epoch {} and does not serve it", host,
                        lease.held_epoch),
            "the coordinator promotes it again within seconds");
  if (!lease.holder.empty() && row.getFenceEpoch() < lease.held_epoch
      && !facts.placement.in_sync(host).isEmpty())
    out.add(verdict::fail, subject,
            fmt::format("host {} is in the map and has seen epoch {} only, not {}", host,
                        row.getFenceEpoch(), lease.held_epoch),
            "--repair leaves it out and brings it back", left_out(facts, host));
}

} // namespace

std::string check_epochs(const evidence& x, notes& out) {
  for (const auto& [id, volume] : x.volumes) {
    auto& facts = volume.facts;
    auto& lease = facts.lease;
    if (volume.changed)
      continue;
    if (lease.prepared.id != 0)
      out.add(verdict::warn, volume_subject(facts),
              fmt::format("task {} is changing its lease", lease.prepared.id),
              "wait: it is finished or undone; see 'foreshift task list'");
    else if (!lease.holder.empty() && !reachable(x, lease.holder))
      out.add(verdict::fail, volume_subject(facts),
              fmt::format("attached at host {}, which is out of reach", lease.holder),
              fmt::format("'foreshift flip {} --to HOST --force' if it stays away",
                          facts.shape().name));
    for (const auto& [name, host] : x.hosts)
      if (schema::PlaneVolume::Reader row; row_of(host, id, row))
        judge_row(facts, name, row, out);
  }
  return fmt::format("store and hosts agree on {}", count(x.volumes.size(), "volume"));
}

std::string check_maps(const evidence& x, notes& out) {
  for (const auto& [id, volume] : x.volumes) {
    auto& facts = volume.facts;
    if (volume.changed)
      continue;
    auto subject = volume_subject(facts);
    auto& holder = facts.lease.holder;
    schema::PlaneVolume::Reader row;
    if (auto at = x.hosts.find(holder); at != x.hosts.end() && row_of(at->second, id, row)
                                        && row.getState() == schema::LeaseState::PRIMARY
                                        && row.getMapVersion() < facts.placement.version()
                                        && facts.moves.empty()) {
      std::optional<remedy> cure;
      for (const auto& [host, one] : facts.placement.lost())
        if (facts.placement.in_sync(host).isEmpty())
          cure = remedy{remedy::kind::adopt, id, host, 0};
      out.add(verdict::warn, subject,
              fmt::format("host {} routes by map {}, the store has {}", holder, row.getMapVersion(),
                          facts.placement.version()),
              "it learns the map with the next change; --repair tells it now", cure);
    }
    for (const auto& [host, has] : volume.inventories) {
      auto in_sync = facts.placement.in_sync(host);
      auto staged = has.staged;
      for (const auto& [move, stored] : facts.moves)
        if (stored.record.destination == host)
          staged -= roaring::Roaring{stored.record.extents.size(), stored.record.extents.data()};
      auto refused = in_sync & (has.retired | has.lost | staged);
      if (!refused.isEmpty())
        out.add(verdict::fail, subject,
                fmt::format("host {} refuses {} that the map says it has", host,
                            count(refused.cardinality(), "extent")),
                "--repair leaves it out and brings it back", left_out(facts, host));
    }
    for (const auto& one : volume.gaps)
      out.add(verdict::fail, subject,
              fmt::format("host {} lacks the data of {} that host {} has", one.host,
                          count(one.extents.size(), "extent"), one.holder),
              "--repair leaves it out and brings it back", left_out(facts, one.host));
  }
  return fmt::format("hosts keep what the maps of {} say", count(x.volumes.size(), "volume"));
}

std::string check_replicas(const evidence& x, notes& out) {
  for (const auto& [id, volume] : x.volumes) {
    auto& map = volume.facts.placement;
    auto subject = volume_subject(volume.facts);
    std::uint64_t away = 0;
    host_set culprits;
    for (const auto& [hosts, extents] : lease::replica_sets(map)) {
      if (std::any_of(hosts.begin(), hosts.end(), [&](auto& h) { return reachable(x, h); }))
        continue;
      away += extents.cardinality();
      culprits.insert(culprits.end(), hosts.begin(), hosts.end());
    }
    std::sort(culprits.begin(), culprits.end());
    culprits.erase(std::unique(culprits.begin(), culprits.end()), culprits.end());
    if (away > 0)
      out.add(verdict::fail, subject,
              fmt::format("{} out of reach: every replica is at {}", count(away, "extent"),
                          fmt::join(culprits, ", ")),
              "bring one of these hosts back");
    auto degraded = map.degraded().cardinality();
    if (degraded == 0)
      continue;
    host_set lost;
    for (const auto& [host, one] : map.lost())
      lost.push_back(host);
    out.add(verdict::warn, subject,
            fmt::format("{} have fewer than {} replicas{}{}", count(degraded, "extent"),
                        map.shape().replicas,
                        lost.empty() ? "" : "; left out: ", fmt::join(lost, ", ")),
            "they come back by themselves, or are made anew elsewhere after replicas.grace; see "
            "'foreshift volume show'");
  }
  return fmt::format("{} as replicated as asked for", count(x.volumes.size(), "volume"));
}

std::string check_orphans(const evidence& x, notes& out) {
  for (const auto& [id, volume] : x.volumes) {
    if (volume.changed)
      continue;
    for (const auto& [host, has] : volume.inventories) {
      auto orphans = (has.present - lease::wanted_at(volume.facts, host)).cardinality();
      if (orphans > 0)
        out.add(verdict::warn, volume_subject(volume.facts),
                fmt::format("host {} keeps {} for no reason: {}", host, count(orphans, "extent"),
                            format_bytes(orphans * volume.facts.shape().extent_bytes)),
                "freed within minutes; --repair frees them now",
                remedy{remedy::kind::sweep, id, host, 0});
    }
  }
  for (const auto& [name, host] : x.hosts) {
    if (!host.plane)
      continue;
    for (auto row : host.plane->read().getVolumes())
      if (!x.volumes.contains(row.getId()))
        out.add(verdict::warn, "host " + name,
                fmt::format("keeps volume {} (id {}, {}), which this cell does not know",
                            row.getName().cStr(), row.getId(), format_bytes(row.getBytesPresent())),
                "a deleted volume is freed by itself; else the coordinator's store is not the one "
                "that made it");
  }
  return "nothing is kept for no reason";
}

std::string check_notes(const evidence& x, notes& out) {
  std::size_t sets = 0;
  for (const auto& [id, volume] : x.volumes) {
    if (volume.changed)
      continue;
    auto& map = volume.facts.placement;
    for (const auto& [name, host] : x.hosts) {
      schema::PlaneVolume::Reader row;
      if (!row_of(host, id, row))
        continue;
      auto watches = row.getWatches();
      sets += watches.size();
      for (auto since : watches) {
        bool needed = std::any_of(map.lost().begin(), map.lost().end(), [&](auto& one) {
          return one.second.since == since && !one.second.extents.isEmpty();
        });
        // One that is just beginning is of a version that is still to come.
        if (!needed && since <= map.version())
          out.add(verdict::warn, volume_subject(volume.facts),
                  fmt::format("host {} still notes changes since map {}, which nobody waits for",
                              name, since),
                  "it costs a synced note for each extent first written; --repair ends it",
                  remedy{remedy::kind::unwatch, id, name, since});
      }
    }
  }
  return sets == 0 ? "no host is out, nothing is noted for a return"
                   : count(sets, "set") + " of changes noted for hosts that are out";
}

} // namespace foreshift::diagnosis
