// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/sim/coordinator.hpp"
#include "tests/sim/guests.hpp"
#include "tests/sim/machine.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace foreshift::sim {

/// What a seed draws before it starts, so that seeds differ in kind and not only in detail.
struct plan {
  unsigned hosts = 3;
  unsigned replicas = 1;
  std::int64_t span_ns = 10 * second;
  bool kills = false;     ///< Of data planes and agents.
  bool elections = false; ///< The coordinator is killed.
  bool stops = false;     ///< SIGSTOP and SIGCONT.
  bool cuts = false;      ///< Links.
  bool bad_wires = false; ///< Slow messages and connections that break.
  bool doubts = false;    ///< Store transactions of unknown outcome.
  bool dark = false;      ///< Hosts lose their power.
  bool bad_disks = false; ///< Syncs, writes and reads fail.
  bool full_disks = false;
  bool rot = false;  ///< Data at rest changes.
  bool calm = false; ///< No faults at all: then no request may fail.
  std::int64_t fault_pause_ns_max = 2 * second;
  std::int64_t order_pause_ns_max = 1500 * ms;

  bool hot = false;     ///< Few blocks, many moves.
  bool volumes = false; ///< Others come and go.

  static plan draw();
  std::string describe() const;
};

/// A whole cluster under one seed: it starts, works under faults, heals, and is checked.
class scenario {
public:
  scenario();
  ~scenario();

  /// Ends the process by `kernel::finish` when something does not hold.
  void run();

private:
  void start_cluster();
  void create_volume();
  void give_orders();
  void live_volume();
  volume_shape shape_of(std::uint64_t id, std::uint32_t extent_count) const;
  bool wait_until(std::int64_t span_ns, const std::function<bool()>& done) const;
  bool hand_to(std::uint64_t volume, const std::string& to);
  bool erase(std::uint64_t volume);
  static void check_history(const guests& x);
  void make_trouble();
  void trouble(std::int64_t lasting);
  void kill_plane(machine& one, std::int64_t lasting);
  void kill_coordinator(std::int64_t lasting);
  void stop_process(machine& one, std::int64_t lasting);
  void cut_link(machine& one, std::int64_t lasting);
  void spoil_wires(std::int64_t lasting);
  void doubt_store(std::int64_t lasting);
  void darken(machine& one, std::int64_t lasting);
  void spoil_disk(machine& one, std::int64_t lasting);
  void fill_disk(machine& one, std::int64_t lasting);
  void rot(machine& one);
  bool well(const machine& x) const;
  bool may_damage(const machine& one);
  bool others_have(const machine& one) const;
  void heal();
  void settle();
  void attach_somewhere();
  void lose_all_power();
  void final_checks();
  void check_sealed(const lease::lease_record& lease) const;
  void check_replicas(const volume_shape& shape, const placement_map& map);
  std::string unsettled() const;
  static bool coin_long();
  std::string any_host() const;
  machine& any_machine();
  machine* find(const std::string& host) const;

  const plan plan_;
  ledger authority_;
  std::unique_ptr<coordinator> coordinator_;
  std::vector<std::unique_ptr<machine>> machines_;
  std::unique_ptr<guests> guests_;
  bool working_ = false;
  unsigned busy_ = 0;     ///< Threads of orders and trouble.
  unsigned troubles_ = 0; ///< Under way.
  bool quiet_ = false;    ///< No new ones for now.
  std::uint64_t last_volume_ = 1;
  machine* damaged_ = nullptr; ///< The one host that may lose data just now.
};

} // namespace foreshift::sim
