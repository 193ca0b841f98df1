// SPDX-License-Identifier: Apache-2.0
// What a scenario does to its cluster's disks. Only one host at a time may lose data, and only what
// others have too: that is what is promised. It may lose anything else of its own, at any time.
#include "core/lease/replicas.hpp"
#include "tests/sim/counts.hpp"
#include "tests/sim/scenario.hpp"

#include <algorithm>

namespace foreshift::sim {

namespace {

constexpr std::int64_t scrub_ns = 1 * second;
constexpr std::int64_t patience_ns = 15 * second; ///< For a host to be well again.

} // namespace

/// Whether what the maps say it has may be relied on.
bool scenario::well(const machine& x) const {
  if (!x.trouble().empty())
    return false;
  for (const auto& shape : authority_.volumes())
    if (auto map = authority_.placement(shape); map && map->lost().contains(x.host()))
      return false;
  return true;
}

bool scenario::others_have(const machine& one) const {
  for (const auto& shape : authority_.volumes()) {
    auto map = authority_.placement(shape);
    if (!map)
      continue;
    host_set others;
    for (const auto& x : machines_)
      if (x.get() != &one && well(*x))
        others.push_back(x->host());
    for (auto extent : map->in_sync(one.host())) {
      const auto& holders = map->replicas(extent);
      if (std::none_of(holders.begin(), holders.end(), [&](const std::string& host) {
            return std::find(others.begin(), others.end(), host) != others.end();
          }))
        return false;
    }
  }
  return true;
}

/// Takes the place of the host that may lose data, if it is free.
bool scenario::may_damage(const machine& one) {
  if (damaged_ != nullptr && damaged_ != &one && !well(*damaged_))
    return false;
  if (!others_have(one))
    return false;
  damaged_ = find(one.host());
  return true;
}

void scenario::darken(machine& one, std::int64_t lasting) {
  if (!plan_.dark || !one.plane_up())
    return;
  {
    kernel::undisturbed now;
    // What nobody else has it may not lose: as if the machine had had time to write that back.
    if (!may_damage(one))
      one.disk.sync_all();
    counts::add(count::power_losses);
    one.lose_power();
  }
  kernel::sleep(lasting / 2);
  if (!one.plane_up())
    one.start_plane();
}

void scenario::spoil_disk(machine& one, std::int64_t lasting) {
  if (!plan_.bad_disks || troubles_ > 1 || !may_damage(one))
    return;
  quiet_ = true;
  kernel::trace("bad disk at " + one.host());
  auto& faults = one.disk.faults;
  auto kind = kernel::random(4);
  faults.sync_fails = kind == 0 || kind == 3 ? (kernel::chance(0.5) ? 1 : 0.1) : 0;
  faults.write_fails = kind == 1 || kind == 3 ? 0.05 : 0;
  faults.read_fails = kind == 2 || kind == 3 ? 0.1 : 0;
  kernel::sleep(lasting);
  kernel::trace("good disk at " + one.host());
  faults.sync_fails = faults.write_fails = faults.read_fails = 0;
  (void)wait_until(patience_ns, [&] { return well(one); });
  quiet_ = false;
}

void scenario::fill_disk(machine& one, std::int64_t lasting) {
  if (!plan_.full_disks)
    return;
  counts::add(count::disks_full);
  kernel::trace("full disk at " + one.host());
  one.disk.faults.full = true;
  kernel::sleep(lasting);
  kernel::trace("room again at " + one.host());
  one.disk.faults.full = false;
}

/// Found by whoever reads it, or by a scrub; and repaired before the next thing happens.
void scenario::rot(machine& one) {
  if (!plan_.rot || troubles_ > 1 || one.plane() == nullptr || !may_damage(one))
    return;
  auto shape = authority_.volumes().front();
  auto map = authority_.placement(shape);
  bool done = one.disk.rot("/data/volumes/" + std::to_string(shape.id), shape.extent_bytes,
                           [&](std::uint32_t extent) { return map->holds(one.host(), extent); });
  if (!done)
    return;
  quiet_ = true;
  if (kernel::chance(0.5))
    kernel::sleep(500 * ms);
  one.scrub();
  kernel::sleep(scrub_ns);
  (void)wait_until(patience_ns, [&] { return well(one); });
  quiet_ = false;
}

} // namespace foreshift::sim
