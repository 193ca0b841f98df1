// SPDX-License-Identifier: Apache-2.0
#include "actors/base/router.hpp"

#include "actors/base/hosted.hpp"

#include <caf/typed_response_promise.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <unistd.h>

namespace foreshift {

namespace {

class dispatcher_state {
public:
  using interface = dispatcher_actor;

  static constexpr const char* name = "dispatcher";

  dispatcher_state(interface::pointer self, router routes)
      : self_(self), routes_(std::move(routes)) {}

  interface::behavior_type make_behavior() {
    return {
        [this](const sealed& request) { return ask_inside(request); },
        [this](const door_request_ptr& request) { ask_from_outside(*request); },
    };
  }

private:
  caf::typed_response_promise<sealed> ask_inside(const sealed& request) {
    auto promise = self_->make_response_promise<sealed>();
    auto reply = [promise](result<door::envelope> got) mutable {
      if (got)
        promise.deliver(sealed{*std::move(got)});
      else
        promise.deliver(to_caf(got.error()));
    };
    if (auto found = routes_.find(request->type))
      (*found)->handle(self_, *request, (*found)->timeout, std::move(reply));
    else
      reply(found.error());
    return promise;
  }

  void ask_from_outside(const door_request& x) {
    if (auto found = routes_.admit(x.request, x.from))
      (*found)->handle(self_, x.request, (*found)->timeout, x.reply);
    else
      x.reply(found.error());
  }

  interface::pointer self_;
  const router routes_;
};

} // namespace

void router::add(std::uint64_t type, std::string verb, route x) {
  x.verb = std::move(verb);
  FORESHIFT_ENSURE(routes_.emplace(type, std::move(x)).second); // one verb, one owner
}

router::route& router::at(std::uint64_t type) {
  auto found = routes_.find(type);
  FORESHIFT_ENSURE(found != routes_.end());
  return found->second;
}

router::handler router::passes_on(std::shared_ptr<door::client> to) {
  return [to](dispatcher_actor::pointer, const door::envelope& request,
              std::chrono::milliseconds timeout,
              door::answer reply) { to->call(request, timeout, std::move(reply)); };
}

router& router::pong(std::string role, std::string name, std::string version) {
  auto answer = packet<schema::Pong>::make([&](auto root) {
    root.setRole(role.c_str());
    root.setName(name.c_str());
    root.setVersion(version.c_str());
    root.setPid(static_cast<std::uint32_t>(::getpid()));
  });
  add<schema::Ping>({"*"}, std::chrono::seconds{1},
                    [answer](dispatcher_actor::pointer, const door::envelope&,
                             std::chrono::milliseconds,
                             door::answer reply) { reply(door::wrap(answer)); });
  return *this;
}

result<const router::route*> router::find(std::uint64_t type) const {
  auto found = routes_.find(type);
  if (found == routes_.end())
    return fault{errc::not_found, fmt::format("nobody here answers messages of type {:#x}", type)};
  return &found->second;
}

result<const router::route*> router::admit(const door::envelope& request,
                                           const door::peer& from) const {
  auto found = find(request.type);
  if (!found)
    return found;
  const auto& allowed = (*found)->allowed;
  auto may = [&](const std::string& role) { return role == "*" || role == from.role; };
  if (std::none_of(allowed.begin(), allowed.end(), may))
    return fault{errc::refused, fmt::format("role '{}' may not use {}", from.role, (*found)->verb)};
  if ((*found)->check)
    if (auto ok = (*found)->check(request, from); !ok)
      return ok.error();
  return found;
}

dispatcher_actor spawn_dispatcher(caf::actor_system& system, router routes) {
  return system.spawn<hosted<dispatcher_state>>(std::move(routes));
}

door::service door_service(caf::actor_system& system, router routes) {
  return door_service(spawn_dispatcher(system, std::move(routes)));
}

door::service door_service(dispatcher_actor whom) {
  return [whom](door::envelope request, const door::peer& from, door::answer reply) {
    caf::anon_send(whom, std::make_shared<const door_request>(
                             door_request{std::move(request), from, std::move(reply)}));
  };
}

} // namespace foreshift
