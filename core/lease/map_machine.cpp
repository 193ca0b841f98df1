// SPDX-License-Identifier: Apache-2.0
#include "core/lease/map_machine.hpp"

#include "core/lease/requests.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace foreshift::lease {

namespace {

constexpr int store_attempts = 5;

} // namespace

script<result<void>> map_machine::leave_out(host_set hosts, volume_facts& facts) {
  if (auto only = held_only_by(facts.placement, hosts); !only.isEmpty())
    co_return fault{errc::precondition,
                    fmt::format("host {} has the only copy of {} extents of volume '{}'",
                                fmt::join(hosts, " and "), only.cardinality(), facts.shape().name)};
  for (auto& host : hosts) {
    auto done = co_await leave_out_one(host, facts);
    if (!done)
      co_return done;
  }
  co_return result<void>{};
}

script<result<void>> map_machine::leave_out_one(std::string host, volume_facts& facts) {
  auto lease = facts.lease;
  for (int attempt = 1;; ++attempt) {
    if (facts.placement.in_sync(host).isEmpty())
      co_return result<void>{};
    auto next = facts.placement.with_lost(host);
    if (!next)
      co_return next.error();
    // Notes of an older absence go on; those that begin now must be complete from the start.
    bool fresh = next->lost().at(host).since == next->version();
    if (fresh)
      (void)co_await watch_at_others(*next, next->version(), true);
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
        (void)co_await watch_at_others(*next, next->version(), false);
      if (!(facts.lease == lease))
        co_return fault{errc::busy, "another task changed the lease meanwhile"};
    }
    if (attempt >= store_attempts)
      co_return done.error();
    (void)co_await rest(retry_pause);
  }
}

script<result<void>> map_machine::watch_at_others(const placement_map& next, std::uint64_t since,
                                                  bool on) {
  auto volume = next.shape().id;
  std::vector<parcel> parcels;
  for (auto& host : next.hosts_in_sync())
    parcels.push_back({host, on ? watch(volume, since) : unwatch(volume, since)});
  co_return co_await insist_all(std::move(parcels), 1);
}

} // namespace foreshift::lease
