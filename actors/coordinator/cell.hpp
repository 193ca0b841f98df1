// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/router.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/membership.hpp"
#include "actors/coordinator/options.hpp"
#include "core/base/clock.hpp"
#include "core/store/store.hpp"

#include <memory>
#include <string>

namespace foreshift::control {

struct cell_options {
  policy rules;
  std::string version;
  door::tls_files tls;  ///< The coordinator's, for the doctor to look at.
  bool detached = true; ///< The authority gets a thread of its own; false for deterministic tests.
};

/// A coordinator's actors, wired.
struct cell {
  authority_actor authority;
  events_actor events;
  membership_actor membership;
  catalog_actor catalog;
  board_actor board;
  conductor_actor conductor;
  proposals_actor balancer;
  directory_actor directory;
  mender_actor mender;
  herald_actor herald;
  doctor_actor doctor;

  /// What the door serves: agents report, tools ask. `version` is for Ping.
  router routes(const std::string& version) const;

  /// Ends every actor; once, before the actor system goes.
  void stop();
};

/// `clock` must outlive the actors.
cell spawn_cell(caf::actor_system& system, std::shared_ptr<store> keeper, agent_connector connect,
                const clock_source& clock, const cell_options& options);

/// Couriers through `io` to agents' doors. `io` must outlive the actors.
agent_connector door_connector(caf::actor_system& system, door::io_thread& io, door::tls_files tls);

} // namespace foreshift::control
