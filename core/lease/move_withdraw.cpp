// SPDX-License-Identifier: Apache-2.0
// A move whose copy was lost after the map had named it.
#include "core/lease/move_machine.hpp"
#include "core/lease/requests.hpp"

#include <algorithm>

namespace foreshift::lease {

namespace {

/// Whether one replica less leaves as many as there should be, awaited ones included.
bool may_give_up(const placement_map& map, std::uint32_t extent) {
  auto left = map.replicas(extent).size() - 1;
  auto awaited = std::count_if(map.lost().begin(), map.lost().end(),
                               [&](const auto& x) { return x.second.extents.contains(extent); });
  return left > 0 && left + static_cast<std::size_t>(awaited) >= map.shape().replicas;
}

} // namespace

/// The destination restarted between the copy and its commit and lacks what was mirrored meanwhile:
/// its copy can never become a replica. Takes it out of the map again; nothing was removed for it,
/// so the replicas are those of before, hosts that are lost and awaited included. Where even so too
/// few are left, because it was the destination that returned, it is lost once more.
script<finish> move_machine::withdraw(fault why) {
  for (int attempt = 1;; ++attempt) {
    auto seen = co_await read(attempt == 1 && !resumed_ ? load_kind::look : load_kind::enter);
    if (seen) {
      facts_ = *std::move(seen);
      auto& map = facts_->placement;
      std::vector<std::uint32_t> there;
      bool needed = false;
      for (auto extent : record_.extents)
        if (map.holds(record_.destination, extent)) {
          there.push_back(extent);
          needed |= !may_give_up(map, extent);
        }
      if (there.empty())
        break;
      if (needed) {
        host_set one;
        one.push_back(record_.destination);
        auto left_out = co_await leave_out(std::move(one), *facts_);
        if (!left_out)
          co_return ended(left_out.error()); // perhaps the only copy of something: later again
        continue;
      }
      auto next = map.without_replica(record_.destination, there)
                      .without_retiring(record_.destination, there);
      std::vector<compare> compares;
      compares.push_back({placement_key(record_.volume), facts_->placement_revision});
      std::vector<store_op> ops;
      ops.push_back({placement_key(record_.volume), to_value(next.encode())});
      // Read back in every case, as in publish().
      (void)co_await transact(std::move(compares), std::move(ops));
    }
    if (attempt >= store_attempts)
      co_return ended(why);
    if (attempt > 1)
      (void)co_await rest(retry_pause);
  }
  auto adopted = co_await adopt_everywhere();
  if (!adopted)
    co_return ended(adopted.error());
  co_return co_await forget(why);
}

} // namespace foreshift::lease
