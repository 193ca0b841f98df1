// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/caf_compat.hpp"
#include "actors/base/packet_inspect.hpp"
#include "schemas/door.capnp.h"

#include <caf/typed_actor.hpp>

namespace foreshift {

/// One request and its answer. The request's schema is the verb.
template <class Request, class Reply>
struct verb {
  using request = Request;
  using reply = Reply;
  using signature = compat::signature<packet<Reply>, packet<Request>>;
};

/// A list of verbs, from which follow the typed actor, its door routes and its remote proxy:
///
///   using plane_verbs = verbs<verb<schema::PlaneDrain, schema::Done>, ...>;
///   using plane_actor = plane_verbs::actor;
template <class... Verbs>
struct verbs {
  using actor = caf::typed_actor<typename Verbs::signature...>;

  /// Calls `visit.template operator()<Verb>()` for each verb.
  template <class Visit>
  static void each(Visit&& visit) {
    (visit.template operator()<Verbs>(), ...);
  }
};

} // namespace foreshift
