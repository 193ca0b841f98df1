// SPDX-License-Identifier: Apache-2.0
#include "core/lease/map_machine.hpp"

#include "core/lease/requests.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace foreshift::lease {

namespace {

constexpr int store_attempts = 5;

} // namespace

fault nobody_sure(const std::string& host, const volume_facts& facts, const host_set& unsure) {
  return {errc::precondition,
          fmt::format("without host {} nobody would be sure of what volume '{}' has: host {} "
                      "does not answer, restarted or has failed",
                      host, facts.shape().name, fmt::join(unsure, " and "))};
}

script<result<void>> map_machine::leave_out(host_set hosts, volume_facts& facts) {
  if (auto only = held_only_by(facts.placement, hosts); !only.isEmpty())
    co_return fault{errc::precondition,
                    fmt::format("host {} has the only copy of {} extents of volume '{}'",
                                fmt::join(hosts, " and "), only.cardinality(), facts.shape().name)};
  for (auto& host : hosts) {
    auto done = co_await leave_out_one(host, facts, 0);
    if (!done)
      co_return done;
  }
  co_return result<void>{};
}

script<result<void>> map_machine::leave_out_shared(std::string host, std::uint64_t doubt,
                                                   volume_facts& facts) {
  co_return co_await leave_out_one(std::move(host), facts, doubt);
}

script<result<void>> map_machine::leave_out_one(std::string host, volume_facts& facts,
                                                std::uint64_t doubt) {
  auto lease = facts.lease;
  bool keep_only = doubt != 0;
  for (int attempt = 1;; ++attempt) {
    auto leaves = facts.placement.in_sync(host);
    if (keep_only)
      leaves -= held_only_by(facts.placement, {host});
    if (leaves.isEmpty())
      co_return result<void>{};
    auto next = keep_only ? result<placement_map>{facts.placement.with_lost_shared(host)}
                          : facts.placement.with_lost(host);
    if (!next)
      co_return next.error();
    // Notes of an older absence go on; those that begin now must be complete from the start.
    bool fresh = next->lost().at(host).since == next->version();
    auto left = co_await ask_others(*next, fresh);
    if (!keep_only && !(held_only_by(*next, left.unsure) & leaves).isEmpty())
      co_return nobody_sure(host, facts, left.unsure);
    for (auto& [other, since] : left.doubts)
      if (since < doubt && !(next->in_sync(other) & leaves).isEmpty())
        co_return fault{errc::busy, fmt::format("host {} has doubted for longer what it has of "
                                                "volume '{}'; it goes first",
                                                other, facts.shape().name)};
    std::vector<compare> compares;
    compares.push_back({lease_key(lease.volume), facts.lease_revision});
    compares.push_back({placement_key(lease.volume), facts.placement_revision});
    std::vector<store_op> ops;
    ops.push_back({placement_key(lease.volume), to_value(next->encode())});
    auto done = co_await transact(std::move(compares), std::move(ops));
    if (done) {
      facts.placement = *next;
      facts.placement_revision = *done;
      co_return result<void>{};
    }
    auto seen = co_await read(load_kind::look);
    if (seen) {
      facts = *std::move(seen);
      if (facts.placement == *next)
        co_return result<void>{};
      if (fresh)
        co_await end_watch(*next);
      if (!(facts.lease == lease))
        co_return fault{errc::busy, "another task changed the lease meanwhile"};
    }
    if (attempt >= store_attempts)
      co_return done.error();
    (void)co_await rest(retry_pause);
  }
}

script<map_machine::others> map_machine::ask_others(const placement_map& next, bool watching) {
  auto volume = next.shape().id;
  auto hosts = next.hosts_in_sync();
  std::vector<parcel> parcels;
  for (auto& host : hosts)
    parcels.push_back({host, plane_status(volume)});
  for (auto& host : hosts)
    if (watching)
      parcels.push_back({host, watch(volume, next.version())});
  auto all = co_await ask_all(std::move(parcels), send_timeout);
  others out;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!all[i])
      out.silent.push_back(hosts[i]);
    else if (doubts(all[i], volume))
      out.unsure.push_back(hosts[i]);
    if (auto doubt = doubt_of(all[i], volume); doubt != 0)
      out.doubts[hosts[i]] = doubt;
  }
  co_return out;
}

script<bool> map_machine::end_watch(const placement_map& next) {
  std::vector<parcel> parcels;
  for (auto& host : next.hosts_in_sync())
    parcels.push_back({host, unwatch(next.shape().id, next.version())});
  (void)co_await insist_all(std::move(parcels), 1);
  co_return true;
}

} // namespace foreshift::lease
