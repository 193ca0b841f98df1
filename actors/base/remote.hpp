// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/courier.hpp"
#include "actors/base/hosted.hpp"
#include "actors/base/verbs.hpp"

#include <caf/actor_system.hpp>
#include <caf/typed_response_promise.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

namespace foreshift {

struct remote_options {
  std::chrono::milliseconds timeout{30'000}; ///< For each request; the other side may still do it.
  std::size_t requests_max = 1024;           ///< In flight; more is `busy`.
};

/// A door's answer on its way from the io thread to the actor that waits for it.
struct door_reply {
  std::uint64_t id = 0;
  std::shared_ptr<const result<door::envelope>> got;
};

/// What every remote does, whatever its verbs: numbers requests, hands them to the client and takes
/// the answers back as messages, so that they are handled in the actor's own context.
class remote_calls {
public:
  using deliver = std::function<void(const result<door::envelope>&)>;
  using post = std::function<void(door_reply)>;

  /// `to_self` sends a message to the actor; any thread, also after the actor's end.
  remote_calls(post to_self, std::shared_ptr<door::client> client, remote_options options);

  /// Answers what still waits with `canceled`.
  ~remote_calls();

  void start(door::envelope request, deliver then);
  void finish(const door_reply& reply);

private:
  const post to_self_;
  const std::shared_ptr<door::client> client_;
  const remote_options options_;
  std::unordered_map<std::uint64_t, deliver> waiting_;
  std::uint64_t last_id_ = 0;
};

/// The way for `remote_calls` to send to an actor without keeping it alive.
template <class Handle>
remote_calls::post post_to(const Handle& self);

template <class Verbs>
class remote_state;

/// Another process's actor as a local one: see spawn_remote.
template <class... Verbs>
class remote_state<verbs<Verbs...>> {
public:
  using interface =
      caf::typed_actor<typename Verbs::signature..., compat::signature<sealed, sealed>,
                       compat::one_way<door_reply>>;

  static constexpr const char* name = "remote";

  remote_state(typename interface::pointer self, std::shared_ptr<door::client> client,
               remote_options options)
      : self_(self), calls_(post_to(interface{self}), std::move(client), options) {}

  typename interface::behavior_type make_behavior() {
    return {
        forwards<Verbs>()...,
        [this](const sealed& request) { return pass_on(request); },
        [this](const door_reply& reply) { calls_.finish(reply); },
    };
  }

private:
  template <class Verb>
  auto forwards() {
    using reply = packet<typename Verb::reply>;
    return [this](const packet<typename Verb::request>& request) {
      auto promise = self_->template make_response_promise<reply>();
      calls_.start(door::wrap(request), [promise](const result<door::envelope>& got) mutable {
        auto x = got ? door::unwrap<typename Verb::reply>(*got) : result<reply>{got.error()};
        if (x)
          promise.deliver(*std::move(x));
        else
          promise.deliver(to_caf(x.error()));
      });
      return promise;
    };
  }

  auto pass_on(const sealed& request) {
    auto promise = self_->template make_response_promise<sealed>();
    calls_.start(*request, [promise](const result<door::envelope>& got) mutable {
      if (got)
        promise.deliver(sealed{*got});
      else
        promise.deliver(to_caf(got.error()));
    });
    return promise;
  }

  typename interface::pointer self_;
  remote_calls calls_;
};

/// A handle that converts to `Verbs::actor` and to `courier_actor`.
template <class Verbs>
using remote_actor = typename remote_state<Verbs>::interface;

/// Spawns a proxy: each request goes through `client` and is answered with the other side's packet
/// or fault. The client must be destroyed, or this actor's last handle dropped, before the actor
/// system.
///
///   plane_actor plane = spawn_remote<plane_verbs>(system, client, {.timeout = 10s});
template <class Verbs>
remote_actor<Verbs> spawn_remote(caf::actor_system& system, std::shared_ptr<door::client> client,
                                 remote_options options = {}) {
  return system.spawn<hosted<remote_state<Verbs>>>(std::move(client), options);
}

} // namespace foreshift

FORESHIFT_LOCAL_MESSAGE(foreshift::door_reply)

namespace foreshift {

template <class Handle>
remote_calls::post post_to(const Handle& self) {
  return [whom = self.address()](door_reply reply) {
    if (auto alive = caf::actor_cast<Handle>(whom))
      caf::anon_send(alive, std::move(reply));
  };
}

} // namespace foreshift
