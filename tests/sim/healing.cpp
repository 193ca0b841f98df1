// SPDX-License-Identifier: Apache-2.0
// What the simulated coordinator does by itself; as actors/coordinator/conductor_heal.cpp.
#include "core/lease/requests.hpp"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"
#include "tests/sim/coordinator.hpp"

#include <algorithm>

namespace foreshift::sim {

using namespace std::chrono_literals;

result<void> coordinator::create(const volume_shape& shape) {
  lease::lease_record nobody;
  nobody.volume = shape.id;
  auto spec = packet<schema::VolumeSpec>::make([&](auto out) { encode_shape(shape, out); });
  std::vector<store_op> ops;
  ops.push_back({lease::volume_key(shape.id), lease::to_value(spec)});
  ops.push_back({lease::lease_key(shape.id), lease::to_value(nobody)});
  ops.push_back({lease::placement_key(shape.id), lease::to_value(placement_map{shape}.encode())});
  auto keeper = make_sim_store(records_, 0);
  if (auto done = keeper->txn({}, ops); !done)
    return done.error();
  return {};
}

void coordinator::begin(std::shared_ptr<run> x) {
  kernel::spawn(process_, [this, x] { drive(x); });
}

void coordinator::heal_for_ever() {
  for (;;) {
    kernel::sleep(1 * second);
    for (const auto& shape : records_.volumes())
      if (auto now = facts(shape.id)) {
        heal(*now);
        inspect(*now);
      }
    forget_erased();
  }
}

/// An interrupted flip first, then moves, then retirements.
void coordinator::heal(const lease::volume_facts& now) {
  auto id = now.shape().id;
  if (busy(id, true))
    return;
  auto x = std::make_shared<run>();
  x->volume = id;
  if (now.lease.prepared.id != 0) {
    lease::flip_request request;
    request.task = now.lease.prepared.id;
    request.volume = id;
    request.timeout = 3s;
    x->flips = true;
    x->what = std::make_unique<lease::flip_machine>(request);
    return begin(x);
  }
  if (busy(id, false))
    return;
  if (!now.moves.empty()) {
    x->move = now.moves.begin()->first;
    x->what = lease::move_machine::resume(now.moves.begin()->second.record);
    return begin(x);
  }
  if (!now.placement.retiring().empty()) {
    x->what = std::make_unique<lease::retire_machine>(lease::retire_request{id, "", {}});
    begin(x);
    return;
  }
  if (!now.placement.lost().empty() && memory_->returning.insert(id).second)
    kernel::spawn(process_, [this, now, id] {
      bring_back(now);
      memory_->returning.erase(id);
    });
}

void coordinator::tell(const std::string& host, door::envelope request) {
  door_of(host).call(std::move(request), 3s, [](const result<door::envelope>&) {});
}

/// Orphans that hosts' reports reveal, and a holder whose data plane lost its lease.
void coordinator::inspect(const lease::volume_facts& before) {
  auto id = before.shape().id;
  for (const auto& host : hosts_) {
    auto got = door_of(host).ask<schema::PlaneStatus>(
        packet<schema::PlaneStatusGet>::make([](auto) {}), 2s);
    auto now = facts(id);
    if (got)
      memory_->up.insert(host);
    else
      memory_->up.erase(host);
    if (!got || !now || busy(id, true) || now->lease.prepared.id != 0)
      continue;
    bool serves = false;
    for (auto row : got->read().getVolumes()) {
      if (row.getId() != id)
        continue;
      hear(id, host, row);
      auto state = row.getState();
      bool primary = state == schema::LeaseState::PRIMARY;
      serves = primary && row.getEpoch() == now->lease.held_epoch;
      if (now->lease.holder != host
          && (primary || state == schema::LeaseState::STANDBY
              || state == schema::LeaseState::DRAINING))
        tell(host, lease::release(id, row.getEpoch()));
      for (auto move : row.getMoves())
        if (!now->moves.contains(move) && !moves_now(move))
          tell(host, lease::abort_staged(id, move));
    }
    if (serves)
      hear_suspects(host);
    if (now->lease.holder != host || serves) {
      if (now->lease.holder == host)
        misses_of(id) = 0;
      continue;
    }
    if (++misses_of(id) < misses_max)
      continue;
    misses_of(id) = 0;
    lease::flip_request request;
    request.task = ++ids_;
    request.volume = id;
    request.to = host;
    request.reattach = true;
    request.timeout = 3s;
    auto x = std::make_shared<run>();
    x->volume = id;
    x->flips = true;
    x->what = std::make_unique<lease::flip_machine>(request);
    begin(x);
  }
}

} // namespace foreshift::sim
