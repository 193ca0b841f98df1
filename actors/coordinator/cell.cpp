// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/cell.hpp"

#include "actors/base/remote.hpp"
#include "actors/coordinator/authority.hpp"
#include "actors/coordinator/balancer.hpp"
#include "actors/coordinator/board.hpp"
#include "actors/coordinator/catalog.hpp"
#include "actors/coordinator/conductor.hpp"
#include "actors/coordinator/directory.hpp"
#include "actors/coordinator/doctor.hpp"
#include "actors/coordinator/events.hpp"
#include "actors/coordinator/herald.hpp"
#include "actors/coordinator/mender.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto agent_timeout = 10min; // a slow batch; each request has a shorter one of its own

using ping_verbs = verbs<verb<schema::Ping, schema::Pong>>;

} // namespace

cell spawn_cell(caf::actor_system& system, std::shared_ptr<store> keeper, agent_connector connect,
                const clock_source& clock, const cell_options& options) {
  auto& rules = options.rules;
  auto token = keeper->token();
  cell x;
  x.authority = options.detached ? system.spawn<authority, caf::detached>(keeper)
                                 : system.spawn<authority>(keeper);
  x.events = system.spawn<events>(x.authority, clock);
  x.membership =
      system.spawn<membership>(x.authority, x.events, std::move(connect), clock, rules, token);
  x.catalog = system.spawn<catalog>(x.authority, x.membership, x.events, clock);
  x.board = system.spawn<board>(clock, rules);
  caf::anon_send(x.membership, subscribe{watcher_actor{x.board}});
  caf::anon_send(x.catalog, subscribe{watcher_actor{x.board}});
  conductor_parts around{x.authority, x.catalog, x.membership, x.board, x.events};
  x.conductor = system.spawn<conductor>(around, clock, rules);
  x.balancer = system.spawn<balancer>(x.conductor);
  caf::anon_send(x.board, x.balancer);
  directory_parts sources{x.membership, x.catalog, x.board, x.conductor};
  x.directory = system.spawn<directory>(sources, clock, options.version, token);
  mender_parts patients{x.conductor, x.membership, x.events, x.directory};
  x.mender = system.spawn<mender>(patients, clock, rules);
  caf::anon_send(x.membership, subscribe{watcher_actor{x.mender}});
  caf::anon_send(x.catalog, subscribe{watcher_actor{x.mender}});
  x.herald = system.spawn<herald>(
      herald_parts{x.authority, x.membership, x.board, x.events, x.conductor}, clock);
  caf::anon_send(x.conductor, announcer_actor{x.herald});
  caf::anon_send(x.membership, subscribe{watcher_actor{x.herald}});
  caf::anon_send(x.catalog, subscribe{watcher_actor{x.herald}});
  x.doctor = system.spawn<doctor>(doctor_parts{x.membership, x.conductor, x.events}, clock,
                                  options.version, options.tls);
  return x;
}

void cell::stop() {
  auto end = [](const auto& whom) { caf::anon_send_exit(whom, caf::exit_reason::user_shutdown); };
  end(herald);
  end(doctor);
  end(mender);
  end(directory);
  end(balancer);
  end(conductor);
  end(board);
  end(catalog);
  end(membership);
  end(events);
  end(authority);
  *this = {};
}

agent_connector door_connector(caf::actor_system& system, door::io_thread& io,
                               door::tls_files tls) {
  return [&system, &io, tls](const lease::host_address& host) -> courier_actor {
    auto server_name = host.agent.substr(0, host.agent.rfind(':'));
    std::shared_ptr<door::client> to = door::client::open(
        io, {.address = host.agent, .tls = tls, .server_name = tls.empty() ? "" : server_name});
    return spawn_remote<ping_verbs>(system, std::move(to), {.timeout = agent_timeout});
  };
}

} // namespace foreshift::control
