// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/options.hpp"
#include "core/base/clock.hpp"

#include <set>

namespace foreshift::control {

struct drain_order {
  std::uint64_t task = 0;
  std::string host;
  std::string to;      ///< Where its leases go in the end; empty: they are only named.
  bool remove = false; ///< The host is dead: what it held is made anew, then it is forgotten.
  std::uint64_t bytes_planned = 0;
};

struct drainer_parts {
  conductor_actor conductor;
  membership_actor membership;
  announcer_actor herald; ///< Invalid: nothing is announced.
};

/// Takes every replica off one host, one batch at a time: first a replica more elsewhere, then this
/// one less, so that no extent ever has fewer than it should because of it. Then the leases, whose
/// volumes are announced to their new host from the beginning, one after the other; or, of a dead
/// host, its name. Everything it does is in the store; a restarted coordinator starts it
/// again and it goes on.
class drainer_state {
public:
  using interface = migrator_actor;

  static constexpr const char* name = "drainer";

  drainer_state(interface::pointer self, drainer_parts around, const clock_source& clock,
                policy rules, drain_order order);

  interface::behavior_type make_behavior();

private:
  void look();
  void step(const world& now);
  bool leave_out(const world& now);
  bool relieve(const world& now);
  bool relieve(const volume_entry& x);
  void announce(const world& now);
  void withdraw();
  void end_leases(const world& now);
  void forget();
  template <class Order>
  void order(Order what);
  void batch_over(const lease::finish& how);
  void tell(std::string phase);
  void end(std::optional<fault> why);

  interface::pointer self_;
  const drainer_parts around_;
  const clock_source& clock_;
  const policy rules_;
  const drain_order order_;
  std::set<std::uint64_t> stuck_; ///< Volumes whose last batch could not begin or failed.
  std::optional<fault> last_fault_;
  std::uint64_t bytes_moved_ = 0;
  unsigned rounds_stuck_ = 0;
  bool marked_ = false;
  std::optional<std::vector<std::string>> announced_; ///< Volumes; nothing: not thought of yet.
  bool busy_ = false;
  bool canceled_ = false;
  bool ended_ = false;
};

using drainer = hosted<drainer_state>;

} // namespace foreshift::control
