// SPDX-License-Identifier: Apache-2.0
// What a scenario does to its cluster's processes and wires; its disks are in damage.cpp.
#include "tests/sim/counts.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/scenario.hpp"

namespace foreshift::sim {

namespace {

std::int64_t up_to(std::int64_t span_ns) {
  return static_cast<std::int64_t>(kernel::random(static_cast<std::uint64_t>(span_ns)));
}

} // namespace

void scenario::make_trouble() {
  kernel::sleep(up_to(plan_.fault_pause_ns_max));
  auto lasting = up_to(coin_long() ? 6 * second : 800 * ms);
  // Beside a disk that fails on its own only the authority may have its troubles.
  if (quiet_)
    return kernel::chance(0.5) ? kill_coordinator(lasting) : doubt_store(lasting);
  ++troubles_;
  trouble(lasting);
  --troubles_;
}

void scenario::trouble(std::int64_t lasting) {
  auto& one = any_machine();
  switch (kernel::random(11)) {
  case 0:
    return kill_plane(one, lasting);
  case 1:
  case 2:
    return kill_coordinator(lasting);
  case 3:
    return stop_process(one, lasting);
  case 4:
    return cut_link(one, lasting);
  case 5:
    return spoil_wires(lasting);
  case 6:
    return doubt_store(lasting);
  case 7:
    return darken(one, lasting);
  case 8:
    return spoil_disk(one, lasting);
  case 9:
    return fill_disk(one, lasting);
  default:
    return rot(one);
  }
}

void scenario::kill_plane(machine& one, std::int64_t lasting) {
  if (!plan_.kills || !one.plane_up())
    return;
  counts::add(count::kills);
  one.kill_plane();
  kernel::sleep(lasting / 2);
  if (!one.plane_up())
    one.start_plane();
}

void scenario::kill_coordinator(std::int64_t lasting) {
  if (!plan_.elections || !coordinator_->up())
    return;
  counts::add(count::coordinator_kills);
  coordinator_->kill();
  kernel::sleep(lasting / 2);
  coordinator_->start();
}

void scenario::stop_process(machine& one, std::int64_t lasting) {
  if (!plan_.stops)
    return;
  counts::add(count::stops);
  auto* victim = kernel::chance(0.7) ? one.plane_process() : coordinator_->running();
  kernel::freeze(victim, true);
  kernel::sleep(lasting);
  kernel::freeze(victim, false);
}

void scenario::cut_link(machine& one, std::int64_t lasting) {
  if (!plan_.cuts)
    return;
  counts::add(count::cuts);
  auto& wires = net::faults();
  std::string other = kernel::chance(0.3) ? "cell" : any_host();
  kernel::trace("cut " + one.host() + " - " + other);
  wires.cut.insert({one.host(), other});
  if (kernel::chance(0.7))
    wires.cut.insert({other, one.host()});
  kernel::sleep(lasting);
  kernel::trace("mend " + one.host() + " - " + other);
  wires.cut.erase({one.host(), other});
  wires.cut.erase({other, one.host()});
}

void scenario::spoil_wires(std::int64_t lasting) {
  if (!plan_.bad_wires)
    return;
  counts::add(count::bad_wires);
  auto& wires = net::faults();
  kernel::trace("bad wires");
  wires.slow = kernel::chance(0.7) ? 0.1 : 0;
  wires.reset = kernel::chance(0.5) ? 0.03 : 0;
  wires.lost = kernel::chance(0.3) ? 0.3 : 0;
  kernel::sleep(lasting);
  kernel::trace("good wires");
  wires.slow = wires.reset = wires.lost = 0;
}

void scenario::doubt_store(std::int64_t lasting) {
  if (!plan_.doubts)
    return;
  authority_.ambiguous = 0.2;
  kernel::sleep(lasting);
  authority_.ambiguous = 0;
}

bool scenario::coin_long() {
  return kernel::chance(0.3);
}

} // namespace foreshift::sim
