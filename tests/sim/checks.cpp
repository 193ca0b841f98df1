// SPDX-License-Identifier: Apache-2.0
// What must hold once a scenario has come to rest.
#include "tests/sim/counts.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/sim/watch.hpp"

#include <algorithm>

namespace foreshift::sim {

/// I3, I6: all replicas in sync hold the same, and what they hold matches its checksums.
void scenario::check_replicas(const volume_shape& shape, const placement_map& map) {
  std::vector<std::byte> first(shape.extent_bytes), other(shape.extent_bytes);
  for (std::uint32_t extent = 0; extent < shape.extents(); ++extent) {
    bool compare = false;
    for (const auto& host : map.replicas(extent)) {
      auto volume = find(host)->plane()->find(shape.id);
      if (!volume)
        violated("I3", "host " + host + " holds extents of a volume it does not know");
      auto& into = compare ? other : first;
      auto at = std::uint64_t{extent} * shape.extent_bytes;
      if (auto ok = (*volume)->extents->read_verified(at, into); !ok)
        violated("I6", "extent " + std::to_string(extent) + " at host " + host
                           + " cannot be read: " + to_string(ok.error()));
      counts::add(count::replicas_compared);
      auto same = std::mismatch(first.begin(), first.end(), other.begin());
      if (compare && same.first != first.end())
        violated("I3", "extent " + std::to_string(extent) + " differs at hosts "
                           + map.replicas(extent).front() + " and " + host + ", block "
                           + std::to_string((same.first - first.begin()) / 4096));
      compare = true;
    }
  }
}

/// I1, I2: whoever has become holder has been promoted at every host of the map.
void scenario::check_sealed(const lease::lease_record& lease) const {
  for (const auto& shape : authority_.volumes())
    if (auto map = authority_.placement(shape); map && shape.id == lease.volume)
      for (const auto& host : map->hosts_to_seal()) {
        auto* plane = find(host)->plane();
        auto volume = plane ? plane->find(shape.id)
                            : result<std::shared_ptr<plane_volume>>{fault{errc::unreachable, ""}};
        if (volume && (*volume)->extents->fence().epoch < lease.held_epoch)
          violated("I2", "host '" + lease.holder + "' holds the lease at epoch "
                             + std::to_string(lease.held_epoch) + " and host " + host
                             + " serves an earlier one");
      }
}

/// What was flushed survives a failure of everybody's power at once.
void scenario::lose_all_power() {
  kernel::trace("the whole site goes dark");
  counts::add(count::site_power_losses);
  coordinator_->kill();
  for (auto& x : machines_)
    x->lose_power();
  coordinator_->start();
  for (auto& x : machines_)
    x->start_plane();
  settle();
}

void scenario::final_checks() {
  guests_->stop();
  settle();
  auto shape = authority_.volumes().front();
  auto look = [&] {
    attach_somewhere();
    settle();
    auto holder = authority_.lease(shape.id)->holder;
    if (auto ok = guests_->read_back(holder); !ok)
      violated("I7", "a clean volume cannot be read: " + to_string(ok.error()));
    check_replicas(shape, *authority_.placement(shape));
    return holder;
  };
  auto holder = look();
  if (auto ok = guests_->flush(holder); !ok)
    violated("I7", "a clean volume cannot be flushed: " + to_string(ok.error()));
  lose_all_power();
  look();
  if (plan_.calm && guests_->counts().faults > 0)
    violated("calm", std::to_string(guests_->counts().faults) + " requests failed without a fault");
  check_history(*guests_);
  auto& done = guests_->counts();
  kernel::trace("clean: " + std::to_string(done.reads) + " reads, " + std::to_string(done.writes)
                + " writes, " + std::to_string(done.failures) + " failures, switches "
                + std::to_string(kernel::switches()));
}

} // namespace foreshift::sim
