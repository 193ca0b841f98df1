// SPDX-License-Identifier: Apache-2.0
// What a scenario does to its cluster, and how it ends.
#include "tests/sim/network.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/sim/watch.hpp"

#include <algorithm>

namespace foreshift::sim {

namespace {

constexpr std::int64_t settle_limit = 90 * second;

std::int64_t up_to(std::int64_t span_ns) {
  return static_cast<std::int64_t>(kernel::random(static_cast<std::uint64_t>(span_ns)));
}

} // namespace

void scenario::make_trouble() {
  kernel::sleep(up_to(plan_.fault_pause_ns_max));
  auto& wires = net::faults();
  auto& one = any_machine();
  auto lasting = up_to(coin_long() ? 6 * second : 800 * ms);
  switch (kernel::random(7)) {
  case 0:
    if (!plan_.kills)
      return;
    if (!one.plane_up())
      return;
    one.kill_plane();
    kernel::sleep(lasting / 2);
    one.start_plane();
    break;
  case 1:
  case 2:
    if (!plan_.elections)
      return;
    if (!coordinator_->up())
      return;
    coordinator_->kill();
    kernel::sleep(lasting / 2);
    coordinator_->start();
    break;
  case 3: {
    if (!plan_.stops)
      return;
    auto* victim = kernel::chance(0.7) ? one.plane_process() : coordinator_->running();
    kernel::freeze(victim, true);
    kernel::sleep(lasting);
    kernel::freeze(victim, false);
    break;
  }
  case 4: {
    if (!plan_.cuts)
      return;
    std::string other = kernel::chance(0.3) ? "cell" : any_host();
    kernel::trace("cut " + one.host() + " - " + other);
    wires.cut.insert({one.host(), other});
    if (kernel::chance(0.7))
      wires.cut.insert({other, one.host()});
    kernel::sleep(lasting);
    kernel::trace("mend " + one.host() + " - " + other);
    wires.cut.erase({one.host(), other});
    wires.cut.erase({other, one.host()});
    break;
  }
  case 5:
    if (!plan_.bad_wires)
      return;
    kernel::trace("bad wires");
    wires.slow = kernel::chance(0.7) ? 0.1 : 0;
    wires.reset = kernel::chance(0.5) ? 0.03 : 0;
    wires.lost = kernel::chance(0.3) ? 0.3 : 0;
    kernel::sleep(lasting);
    kernel::trace("good wires");
    wires.slow = wires.reset = wires.lost = 0;
    break;
  default:
    if (!plan_.doubts)
      return;
    authority_.ambiguous = 0.2;
    kernel::sleep(lasting);
    authority_.ambiguous = 0;
  }
}

bool scenario::coin_long() {
  return kernel::chance(0.3);
}

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
    if (!x->plane_up())
      x->start_plane();
  }
}

/// What keeps the cluster from being in exactly one clean state (I7); empty when it is.
std::string scenario::unsettled() const {
  for (const auto& x : machines_)
    if (x->plane() == nullptr)
      return "the data plane of " + x->host() + " does not serve";
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
    clean = left.empty() ? clean + 1 : 0;
    if (kernel::now_ns() > until)
      violated("I7", "no clean state in time: " + left);
  }
}

} // namespace foreshift::sim
