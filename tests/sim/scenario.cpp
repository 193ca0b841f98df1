// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/scenario.hpp"

#include "tests/sim/counts.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/watch.hpp"

#include <algorithm>

namespace foreshift::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t extent_bytes = 64u << 10;
constexpr std::uint32_t extents = 8;
constexpr std::uint32_t hot_extents = 2;
constexpr const char* volume_name = "vol1";

bool coin(double p = 0.5) {
  return kernel::chance(p);
}

} // namespace

plan plan::draw() {
  plan x;
  x.replicas = coin(0.7) ? 2 : 1;
  auto calm = x.calm = coin(0.15);
  x.kills = !calm && coin(0.6);
  x.elections = !calm && coin(0.4);
  x.stops = !calm && coin(0.4);
  x.cuts = !calm && coin(0.4);
  x.bad_wires = !calm && coin(0.4);
  x.doubts = !calm && coin(0.3);
  x.dark = !calm && coin(0.35);
  x.bad_disks = !calm && coin(0.25);
  x.full_disks = !calm && coin(0.25);
  x.rot = !calm && coin(0.25);
  x.hot = coin(0.3);
  x.volumes = coin(0.3);
  x.fault_pause_ns_max = (coin() ? 1 : 3) * second;
  x.order_pause_ns_max = (coin() ? 500 : 2000) * ms;
  constexpr double eagerness[] = {0, 0.01, 0.1, 0.5};
  kernel::set_preemption(eagerness[kernel::random(4)]);
  return x;
}

std::string plan::describe() const {
  std::string out = "replicas=" + std::to_string(replicas);
  auto add = [&](bool on, const char* what) { out += on ? std::string{" "} + what : ""; };
  add(kills, "kills");
  add(elections, "elections");
  add(stops, "stops");
  add(cuts, "cuts");
  add(bad_wires, "bad-wires");
  add(doubts, "doubts");
  add(dark, "dark");
  add(bad_disks, "bad-disks");
  add(full_disks, "full-disks");
  add(rot, "rot");
  add(hot, "hot");
  add(volumes, "volumes");
  add(calm, "calm");
  return out;
}

scenario::scenario() : plan_(plan::draw()) {
  kernel::trace("plan " + plan_.describe());
  for (unsigned i = 0; i < plan_.hosts; ++i)
    machines_.push_back(std::make_unique<machine>(std::string(1, static_cast<char>('a' + i))));
  std::vector<std::string> names;
  for (auto& x : machines_)
    names.push_back(x->host());
  coordinator_ = std::make_unique<coordinator>(authority_, names);
  authority_.on_holder = [this](const lease::lease_record& x) { check_sealed(x); };
}

scenario::~scenario() = default;

std::string scenario::any_host() const {
  return machines_[kernel::random(machines_.size())]->host();
}

machine& scenario::any_machine() {
  return *machines_[kernel::random(machines_.size())];
}

machine* scenario::find(const std::string& host) const {
  for (auto& x : machines_)
    if (x->host() == host)
      return x.get();
  return nullptr;
}

void scenario::start_cluster() {
  coordinator_->start();
  for (auto& x : machines_)
    x->start_plane();
  kernel::sleep(500 * ms);
}

void scenario::create_volume() {
  auto shape = shape_of(1, extents);
  if (auto made = coordinator_->create(shape); !made)
    violated("I7", "a volume cannot be created: " + to_string(made.error()));
  attach_somewhere();
}

void scenario::attach_somewhere() {
  auto until = kernel::now_ns() + 30 * second;
  auto at = any_host();
  while (authority_.lease(1)->holder.empty()) {
    if (kernel::now_ns() > until)
      violated("I7", "a clean volume cannot be attached");
    kernel::spawn(coordinator_->running(), [this, at] { coordinator_->flip(1, at, false); });
    kernel::sleep(500 * ms);
  }
}

void scenario::run() {
  start_cluster();
  create_volume();
  guest_options work;
  work.volume = volume_name;
  for (auto& x : machines_)
    work.hosts.push_back(x->host());
  constexpr std::uint64_t per_extent = extent_bytes / history::block_bytes;
  for (std::uint64_t e = 0; e < (plan_.hot ? hot_extents : extents); ++e)
    for (auto at : {std::uint64_t{0}, std::uint64_t{1}, per_extent - 1})
      work.blocks.push_back(e * per_extent + at);
  work.zeroes = coin(0.6) ? (coin() ? 0.6 : 0.2) : 0;
  work.pause_ns_max = (coin() ? 10 : 40) * ms;
  guests_ = std::make_unique<guests>(work);
  guests_->start();
  working_ = true;
  auto* world = kernel::current();
  auto begin = [&](void (scenario::*what)()) {
    ++busy_;
    kernel::spawn(world, [this, what] {
      while (working_)
        (this->*what)();
      --busy_;
    });
  };
  begin(&scenario::give_orders);
  begin(&scenario::give_orders);
  if (plan_.volumes)
    begin(&scenario::live_volume);
  begin(&scenario::make_trouble);
  if (coin(0.3))
    begin(&scenario::make_trouble);
  kernel::sleep(plan_.span_ns);
  working_ = false;
  heal();
  settle();
  final_checks();
}

/// Flips, detachments, moves and retirements that no planner would think of.
void scenario::give_orders() {
  kernel::sleep(static_cast<std::int64_t>(
      kernel::random(static_cast<std::uint64_t>(plan_.order_pause_ns_max))));
  if (!coordinator_->up())
    return;
  auto shape = authority_.volumes().front();
  auto map = authority_.placement(shape);
  auto to = any_host();
  auto* owner = coordinator_->running();
  if (coin(plan_.hot ? 0.15 : 0.35)) {
    counts::add(count::flips);
    bool detach = coin(0.1);
    kernel::trace(detach ? "order: detach" : "order: flip to " + to);
    kernel::spawn(owner, [this, to = detach ? "" : to, forced = coin(0.4)] {
      coordinator_->flip(1, to, forced);
    });
    return;
  }
  auto which =
      static_cast<std::uint32_t>(kernel::random(plan_.hot ? hot_extents : shape.extents()));
  auto holders = map->replicas(which);
  std::vector<std::uint32_t> chosen;
  for (auto e = which; e < shape.extents() && chosen.size() < 3; ++e)
    if (map->replicas(e) == holders)
      chosen.push_back(e);
  if (std::find(holders.begin(), holders.end(), to) == holders.end()) {
    counts::add(count::moves);
    auto from = holders[kernel::random(holders.size())];
    kernel::trace("order: move " + std::to_string(chosen.front()) + " x"
                  + std::to_string(chosen.size()) + " from " + from + " to " + to);
    kernel::spawn(owner, [=, this] { coordinator_->move(1, from, to, chosen); });
  } else if (holders.size() > shape.replicas && (damaged_ == nullptr || well(*damaged_))) {
    // What only a host with a bad disk would have left is not promised.
    kernel::trace("order: retire " + std::to_string(chosen.front()) + " at " + to);
    kernel::spawn(owner, [=, this] { coordinator_->retire(1, to, chosen); });
  }
}

} // namespace foreshift::sim
