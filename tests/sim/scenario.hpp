// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/sim/coordinator.hpp"
#include "tests/sim/guests.hpp"
#include "tests/sim/machine.hpp"

#include <cstdint>
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
  bool calm = false;      ///< No faults at all: then no request may fail.
  std::int64_t fault_pause_ns_max = 2 * second;
  std::int64_t order_pause_ns_max = 1500 * ms;

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
  void make_trouble();
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
  unsigned busy_ = 0; ///< Threads of orders and trouble.
};

} // namespace foreshift::sim
