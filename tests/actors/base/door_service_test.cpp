// SPDX-License-Identifier: Apache-2.0
// A remote, a door, a router and an actor in one process, over a real socket and real schedulers.
#include "actors/base/hosted.hpp"
#include "actors/base/remote.hpp"
#include "actors/base/router.hpp"
#include "actors/base/system.hpp"
#include "schemas/plane.capnp.h"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

using toy_verbs = verbs<verb<schema::PlanePromote, schema::PlanePromoted>>;

class toy_state {
public:
  using interface = toy_verbs::actor;
  static constexpr const char* name = "toy";

  explicit toy_state(interface::pointer) {}

  interface::behavior_type make_behavior() {
    return {
        [](const packet<schema::PlanePromote>& x) -> caf::result<packet<schema::PlanePromoted>> {
          if (x.read().getEpoch() == 0)
            return to_caf(fault{errc::refused, "epochs start at one"});
          return packet<schema::PlanePromoted>::make(
              [&](auto root) { root.setEpoch(x.read().getEpoch()); });
        }};
  }
};

} // namespace

TEST_CASE("door_service: an actor is asked from another process as if it were here") {
  door::io_thread io;
  actor_config config{2};
  config.know<toy_verbs>();
  caf::actor_system system{config};
  caf::scoped_actor self{system};

  router routes;
  routes.serve<toy_verbs>(system.spawn<hosted<toy_state>>(), {"local"});
  auto server =
      door::server::open(io, {.address = "127.0.0.1:0"}, door_service(system, std::move(routes)));
  REQUIRE(server);
  std::shared_ptr<door::client> line =
      door::client::open(io, {.address = "127.0.0.1:" + std::to_string((*server)->port())});
  toy_verbs::actor far = spawn_remote<toy_verbs>(system, line, {.timeout = 20s});

  for (std::uint64_t epoch = 0; epoch < 200; ++epoch) {
    auto request = packet<schema::PlanePromote>::make([&](auto root) { root.setEpoch(epoch); });
    self->request(far, 20s, request)
        .receive([&](packet<schema::PlanePromoted>& got) { CHECK(got.read().getEpoch() == epoch); },
                 [&](const caf::error& why) {
                   CHECK(epoch == 0);
                   CHECK(to_fault(why) == fault{errc::refused, "epochs start at one"});
                 });
  }
}
