// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/courier.hpp"
#include "actors/base/verbs.hpp"

#include <caf/actor_system.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace foreshift {

/// A request from a door on its way to the dispatcher.
struct door_request {
  door::envelope request;
  door::peer from;
  door::answer reply;
};
using door_request_ptr = std::shared_ptr<const door_request>;

/// Asks the actors of a router on behalf of doors and, as a courier, of local actors.
using dispatcher_actor = courier_actor::extend<compat::one_way<door_request_ptr>>;

/// Certificate roles ("agent", "coordinator", "tool") that may use a verb; "local" is a unix or
/// loopback peer without TLS.
using roles = std::vector<std::string>;

/// Which actor answers which packet type, and who may ask. Filled by `main`, then given away.
///
///   router routes;
///   routes.serve<agent_verbs>(agent, {"coordinator", "local"});
///   routes.forward<plane_verbs>(plane_client, {"coordinator", "local"});
///   routes.limit<schema::AgentMove>(10min);
///   routes.pong("agent", host_name, version);
///   auto server = door::server::open(io, {.address = ...}, door_service(system,
///   std::move(routes)));
class router {
public:
  using handler = std::function<void(dispatcher_actor::pointer self, const door::envelope& request,
                                     std::chrono::milliseconds timeout, door::answer reply)>;

  struct route {
    std::string verb; ///< For messages to people.
    roles allowed;
    std::chrono::milliseconds timeout;
    std::function<result<void>(const door::envelope&, const door::peer&)> check; ///< May be empty.
    handler handle;
  };

  /// Requests of `Verbs` are admitted by their schema and then asked of `whom`.
  template <class Verbs>
  router& serve(typename Verbs::actor whom, roles allowed,
                std::chrono::milliseconds timeout = std::chrono::seconds{30}) {
    Verbs::each(
        [&]<class Verb>() { add<typename Verb::request>(allowed, timeout, asks<Verb>(whom)); });
    return *this;
  }

  /// Requests of `Verbs` pass through to another door as they are: its owner admits them.
  template <class Verbs>
  router& forward(std::shared_ptr<door::client> to, roles allowed,
                  std::chrono::milliseconds timeout = std::chrono::seconds{30}) {
    Verbs::each(
        [&]<class Verb>() { add<typename Verb::request>(allowed, timeout, passes_on(to)); });
    return *this;
  }

  /// Overrides the timeout of one verb that is served or forwarded already.
  template <class Request>
  router& limit(std::chrono::milliseconds timeout) {
    at(packet<Request>::type_id).timeout = timeout;
    return *this;
  }

  /// Further rule for one verb that is served already: `check(reader, peer) -> result<void>`, for
  /// instance that an agent reports only for itself.
  template <class Request, class Check>
  router& check(Check rule) {
    at(packet<Request>::type_id).check = [rule](const door::envelope& x, const door::peer& from) {
      auto request = packet<Request>::admit(x.payload);
      return request ? rule(request->read(), from) : result<void>{request.error()};
    };
    return *this;
  }

  /// Answers Ping, whoever asks.
  router& pong(std::string role, std::string name, std::string version);

  /// The route of a type; `not_found` if there is none.
  result<const route*> find(std::uint64_t type) const;

  /// `find`, then `refused` unless `from` may ask that.
  result<const route*> admit(const door::envelope& request, const door::peer& from) const;

private:
  template <class Request>
  void add(const roles& allowed, std::chrono::milliseconds timeout, handler handle) {
    add(packet<Request>::type_id, capnp::Schema::from<Request>().getShortDisplayName().cStr(),
        {{}, allowed, timeout, {}, std::move(handle)});
  }
  void add(std::uint64_t type, std::string verb, route x);
  route& at(std::uint64_t type);
  static handler passes_on(std::shared_ptr<door::client> to);

  template <class Verb>
  static handler asks(caf::typed_actor<typename Verb::signature> whom) {
    return [whom](dispatcher_actor::pointer self, const door::envelope& request,
                  std::chrono::milliseconds timeout, door::answer reply) {
      auto admitted = packet<typename Verb::request>::admit(request.payload);
      if (!admitted)
        return reply(admitted.error());
      ask<typename Verb::reply>(self, whom, *admitted, timeout,
                                [reply](result<packet<typename Verb::reply>> got) {
                                  if (got)
                                    reply(door::wrap(*got));
                                  else
                                    reply(got.error());
                                });
    };
  }

  std::unordered_map<std::uint64_t, route> routes_;
};

/// Spawns the actor that asks on behalf of others. As a courier it knows no roles: who can send to
/// it is inside the process.
dispatcher_actor spawn_dispatcher(caf::actor_system& system, router routes);

/// What a door::server needs to serve `routes`. The server must be destroyed before the actor
/// system.
door::service door_service(caf::actor_system& system, router routes);

/// The same for a dispatcher that exists already.
door::service door_service(dispatcher_actor whom);

} // namespace foreshift

FORESHIFT_LOCAL_MESSAGE(foreshift::door_request_ptr)
