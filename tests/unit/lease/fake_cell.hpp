// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/flip_machine.hpp"
#include "core/lease/loss_machine.hpp"
#include "core/lease/move_machine.hpp"
#include "core/lease/retire_machine.hpp"
#include "tests/support/shapes.hpp"
#include "tests/unit/lease/fake_hosts.hpp"
#include "tests/unit/lease/fake_store.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::test {

/// What happens to one action of a machine.
enum class trouble {
  lost_request, ///< Never arrived.
  lost_reply,   ///< Executed; the machine hears a timeout (store: an unknown outcome).
  failure,      ///< Not executed; the other side says `failed` (store: refused).
  crash_before, ///< The coordinator dies before it ...
  crash_after,  ///< ... or right after it.
};
inline constexpr trouble troubles[] = {trouble::lost_request, trouble::lost_reply, trouble::failure,
                                       trouble::crash_before, trouble::crash_after};

/// A coordinator's shell around the machines, a store and three hosts, all in one call stack.
class fake_cell {
public:
  explicit fake_cell(unsigned replicas = 1);

  lease::volume_facts facts() const;

  /// Runs a machine to its end or its crash. Action number n meets `plan[n]`; counts go on over
  /// runs.
  std::optional<lease::finish> drive(lease::machine& uut);

  /// What the conductor does after a restart, until nothing is left to do.
  void recover();

  /// One clean state: the record and the hosts say the same, and nothing is left over.
  void check_clean();

  std::optional<lease::finish> flip(std::string to, bool forced = false, bool held = false);

  /// As a client's write at `to` asks for it.
  std::optional<lease::finish> implicit_flip(std::string to);

  std::optional<lease::finish> move(std::string from, std::string to,
                                    std::vector<std::uint32_t> extents);

  std::optional<lease::finish> retire(std::string host, std::vector<std::uint32_t> extents);

  /// What the coordinator does when the primary complains of `host`.
  std::optional<lease::finish> lose(std::string host);

  /// What it does when `host` says that its machine restarted.
  std::optional<lease::finish> settle_doubt(const std::string& host);

  /// One round of batches that bring `host` its lost extents back, from whoever has them.
  std::optional<lease::finish> resync(const std::string& host);

  volume_shape shape;
  fake_store store;
  fake_hosts hosts;
  std::map<int, trouble> plan;
  std::optional<int> cancel_at;
  std::map<std::string, lease::word> words; ///< Told when the phase begins.
  std::function<void(const lease::action&)> on_action;
  int actions = 0;
  std::uint64_t task = 0;

private:
  std::string doubting();

  bool lost_holder(const lease::volume_facts& now);

  /// Orphans the heartbeats reveal: staged copies of no known move, gateways of no lease.
  void sweep(const lease::volume_facts& now);

  door::envelope release_of(std::uint64_t epoch) const;

  lease::input execute(lease::action& next, std::optional<trouble> what);
};

} // namespace foreshift::test
