// SPDX-License-Identifier: Apache-2.0
// How a scenario comes to rest.
#include "tests/sim/network.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/sim/watch.hpp"

namespace foreshift::sim {

namespace {

constexpr std::int64_t settle_limit = 90 * second;

} // namespace

void scenario::heal() {
  auto until = kernel::now_ns() + 90 * second;
  while (busy_ > 0 && kernel::now_ns() < until)
    kernel::sleep(100 * ms);
  kernel::trace("heal");
  net::faults() = {};
  authority_.ambiguous = 0;
  if (!coordinator_->up())
    coordinator_->start();
  for (auto& x : machines_) {
    x->disk.faults = {};
    if (!x->plane_up())
      x->start_plane();
    x->scrub();
  }
}

/// What keeps the cluster from being in exactly one clean state (I7); empty when it is.
std::string scenario::unsettled() const {
  for (const auto& x : machines_)
    if (auto why = x->trouble(); !why.empty())
      return "host " + x->host() + ": " + why;
  for (const auto& x : machines_)
    for (const auto& volume : x->plane()->volumes())
      if (!authority_.lease(volume->shape.id))
        return "host " + x->host() + " still has the deleted volume " + volume->shape.name;
  for (const auto& move : authority_.moves())
    return "move " + std::to_string(move.id) + " is still recorded";
  for (const auto& shape : authority_.volumes()) {
    auto lease = authority_.lease(shape.id);
    auto map = authority_.placement(shape);
    if (!lease || !map)
      return "volume " + shape.name + " lacks a record";
    if (lease->prepared.id != 0)
      return "volume " + shape.name + " is between PREPARE and COMMIT";
    if (!map->retiring().empty())
      return "volume " + shape.name + " still has retiring replicas";
    if (!map->lost().empty())
      return "volume " + shape.name + " still lacks replicas of host " + map->lost().begin()->first;
    for (const auto& x : machines_) {
      auto volume = x->plane()->find(shape.id);
      auto state = volume ? (*volume)->gate->state() : LeaseState::NONE;
      bool holder = lease->holder == x->host();
      bool active = state == LeaseState::PRIMARY || state == LeaseState::STANDBY
                    || state == LeaseState::DRAINING;
      if (holder && (state != LeaseState::PRIMARY || (*volume)->gate->epoch() != lease->held_epoch))
        return "host " + x->host() + " holds volume " + shape.name + " at epoch "
               + std::to_string(lease->held_epoch) + " but does not serve it";
      if (holder && !(*volume)->gate->view()->serving())
        return "host " + x->host() + " is still recovering";
      if (!holder && active)
        return "host " + x->host() + " is active without holding volume " + shape.name;
      if (volume && !(*volume)->extents->moves_staged().empty())
        return "host " + x->host() + " still has staged copies";
      if (volume && (*volume)->gate->torn() > 0)
        return "host " + x->host() + " still has torn writes";
    }
  }
  return {};
}

void scenario::settle() {
  auto until = kernel::now_ns() + settle_limit;
  std::string left;
  for (int clean = 0; clean < 3;) {
    kernel::sleep(400 * ms);
    left = unsettled();
    if (left.ends_with("is corrupt")) // a primary repairs it; nobody may hold the lease
      attach_somewhere();
    clean = left.empty() ? clean + 1 : 0;
    if (kernel::now_ns() > until)
      violated("I7", "no clean state in time: " + left);
  }
}

} // namespace foreshift::sim
