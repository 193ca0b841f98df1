// SPDX-License-Identifier: Apache-2.0
// Volumes that are created, used for a while and deleted beside the one that stays.
#include "tests/sim/counts.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/sim/watch.hpp"

namespace foreshift::sim {

namespace {

constexpr std::uint32_t extent_bytes = 64u << 10;
constexpr std::uint32_t extents = 3;

std::int64_t up_to(std::int64_t span_ns) {
  return static_cast<std::int64_t>(kernel::random(static_cast<std::uint64_t>(span_ns)));
}

} // namespace

volume_shape scenario::shape_of(std::uint64_t id, std::uint32_t extent_count) const {
  volume_shape shape;
  shape.id = id;
  shape.name = "vol" + std::to_string(id);
  shape.extent_bytes = extent_bytes;
  shape.size_bytes = std::uint64_t{extent_count} * extent_bytes;
  shape.partition_bytes = 2 * extent_bytes;
  shape.replicas = plan_.replicas;
  for (auto& x : machines_)
    shape.homes.push_back(x->host());
  return shape;
}

/// Whether that came about in time.
bool scenario::wait_until(std::int64_t span_ns, const std::function<bool()>& done) const {
  auto until = kernel::now_ns() + span_ns;
  while (!done()) {
    if (kernel::now_ns() > until)
      return false;
    kernel::sleep(50 * ms);
  }
  return true;
}

bool scenario::hand_to(std::uint64_t volume, const std::string& to) {
  return wait_until(20 * second, [&] {
    auto lease = authority_.lease(volume);
    if (lease && lease->holder == to && lease->prepared.id == 0)
      return true;
    if (coordinator_->up())
      kernel::spawn(coordinator_->running(), [this, volume, to] {
        coordinator_->flip(volume, to, to.empty() && kernel::chance(0.3));
      });
    kernel::sleep(400 * ms);
    return false;
  });
}

bool scenario::erase(std::uint64_t volume) {
  return wait_until(20 * second, [&] {
    if (!authority_.lease(volume))
      return true;
    if (coordinator_->up())
      kernel::spawn(coordinator_->running(), [this, volume] {
        if (auto done = coordinator_->erase(volume); !done)
          kernel::trace("volume is not deleted: " + to_string(done.error()));
      });
    kernel::sleep(300 * ms);
    return false;
  });
}

/// What cannot be detached or deleted in time stays, and must be clean in the end like any.
void scenario::live_volume() {
  kernel::sleep(up_to(plan_.order_pause_ns_max));
  auto id = ++last_volume_;
  auto shape = shape_of(id, extents);
  kernel::trace("order: create " + shape.name);
  if (auto made = coordinator_->create(shape); !made)
    return kernel::trace("volume is not created: " + to_string(made.error()));
  counts::add(count::volumes_created);
  if (!hand_to(id, any_host()))
    return;
  guest_options work;
  work.volume = shape.name;
  work.threads = 1;
  for (auto& x : machines_)
    work.hosts.push_back(x->host());
  for (std::uint64_t i = 0; i < extents; ++i)
    work.blocks.push_back(i * extent_bytes / history::block_bytes + i);
  work.zeroes = 0.2;
  auto* users = new guests(work); // their threads may outlive this
  users->start();
  kernel::sleep(500 * ms + up_to(2 * second));
  users->stop();
  check_history(*users);
  if (!hand_to(id, ""))
    return;
  kernel::trace("order: delete " + shape.name);
  if (erase(id))
    counts::add(count::volumes_deleted);
}

void scenario::check_history(const guests& x) {
  auto verdict = x.check();
  if (!verdict)
    violated("history", to_string(verdict.error()));
  if (verdict->first)
    violated("I3/I4", x.options().volume + ": " + history::describe(*verdict->first));
  auto& done = x.counts();
  counts::add(count::reads, done.reads);
  counts::add(count::writes, done.writes);
  counts::add(count::flushes, done.flushes);
}

} // namespace foreshift::sim
