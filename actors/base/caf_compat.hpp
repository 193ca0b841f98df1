// SPDX-License-Identifier: Apache-2.0
// Every name of CAF 0.17 that is spelt otherwise in CAF 1.x and that our actors need. Moving to 1.x
// starts here. Not covered, because they are the same in both: typed_actor handles, spawn, request,
// then, await, quit, monitor, make_response_promise.
#pragma once

#include <caf/actor_system_config.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/error.hpp>
#include <caf/typed_actor.hpp>

#include <chrono>
#include <cstdint>
#include <string>

/// Says that a type never leaves the process, so that it needs no inspect function. At global
/// scope.
#define FORESHIFT_LOCAL_MESSAGE(type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(type)

namespace foreshift::compat {

/// The signature `request -> reply` of a typed actor; 1.x: `caf::result<Reply>(Request)`.
template <class Reply, class... Request>
using signature = typename caf::replies_to<Request...>::template with<Reply>;

/// A message without an answer; 1.x: `caf::result<void>(Message...)`.
template <class... Message>
using one_way = caf::reacts_to<Message...>;

/// The category under which our faults travel as caf::error; 1.x: a type id.
inline constexpr auto fault_category = caf::atom("foreshift");

inline caf::error make_error(std::uint8_t code, std::string detail) {
  return {code, fault_category, caf::make_message(std::move(detail))};
}

inline bool is_ours(const caf::error& x) {
  return x && x.category() == fault_category;
}

inline bool is_system(const caf::error& x) {
  return x && x.category() == caf::atom("system");
}

/// 1.x takes the policy's name as a string.
inline void set_scheduler(caf::actor_system_config& config, const char* policy) {
  config.set("scheduler.policy", caf::atom_from_string(std::string{policy}));
}

/// 1.x: `self->mail(xs...).delay(delay).send(whom)`.
template <class Self, class Handle, class... Message>
void send_later(Self* self, const Handle& whom, std::chrono::nanoseconds delay, Message&&... xs) {
  self->delayed_send(whom, delay, std::forward<Message>(xs)...);
}

} // namespace foreshift::compat
