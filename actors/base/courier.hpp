// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/caf_compat.hpp"
#include "actors/base/errors.hpp"
#include "core/door/door.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace foreshift {

/// An envelope in a message between actors: immutable and shared.
class sealed {
public:
  sealed() : content_(std::make_shared<const door::envelope>()) {}
  explicit sealed(door::envelope x)
      : content_(std::make_shared<const door::envelope>(std::move(x))) {}

  const door::envelope& operator*() const { return *content_; }
  const door::envelope* operator->() const { return content_.get(); }

private:
  std::shared_ptr<const door::envelope> content_;
};

/// Delivers requests by their type id alone. Behind it is another process (`spawn_remote`) or a
/// router's local actors (`spawn_dispatcher`).
using courier_actor = caf::typed_actor<compat::signature<sealed, sealed>>;

/// From inside an actor: sends `request` to a courier, or to a handle that is also one, and calls
/// `then(result<door::envelope>)` in the actor's own context, exactly once. `timeout` is finite.
template <class Self, class Courier, class Then>
void ask_any(Self* self, const Courier& whom, door::envelope request,
             std::chrono::milliseconds timeout, Then then) {
  self->request(courier_actor{whom}, timeout, sealed{std::move(request)})
      .then([then](const sealed& got) mutable { then(result<door::envelope>{*got}); },
            [then](const caf::error& why) mutable { then(result<door::envelope>{to_fault(why)}); });
}

/// The typed form, for any actor that knows the verb: `then(result<packet<Reply>>)`.
///
///   ask<schema::PlanePulled>(self_, plane_, request, 30s, [this](result<packet<...>> got) { ...
///   });
template <class Reply, class Self, class Handle, class Request, class Then>
void ask(Self* self, const Handle& whom, const packet<Request>& request,
         std::chrono::milliseconds timeout, Then then) {
  using outcome = result<packet<Reply>>;
  self->request(whom, timeout, request)
      .then([then](const packet<Reply>& got) mutable { then(outcome{got}); },
            [then](const caf::error& why) mutable { then(outcome{to_fault(why)}); });
}

} // namespace foreshift

FORESHIFT_LOCAL_MESSAGE(foreshift::sealed)
