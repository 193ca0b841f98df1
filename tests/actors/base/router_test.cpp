// SPDX-License-Identifier: Apache-2.0
#include "actors/base/hosted.hpp"
#include "actors/base/router.hpp"
#include "schemas/plane.capnp.h"
#include "tests/support/fake_client.hpp"
#include "tests/support/test_system.hpp"

#include <optional>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

using toy_verbs = verbs<verb<schema::PlanePromote, schema::PlanePromoted>,
                        verb<schema::PlaneRelease, schema::Done>>;
using far_verbs = verbs<verb<schema::PlaneDrain, schema::Done>>;

/// Promotes; holds releases for ever.
class toy_state {
public:
  using interface = toy_verbs::actor;
  static constexpr const char* name = "toy";

  toy_state(interface::pointer self, int& calls) : self_(self), calls_(calls) {}

  interface::behavior_type make_behavior() {
    return {
        [this](const packet<schema::PlanePromote>& x) { return promote(x); },
        [this](const packet<schema::PlaneRelease>&) {
          return self_->make_response_promise<packet<schema::Done>>();
        },
    };
  }

private:
  caf::result<packet<schema::PlanePromoted>> promote(const packet<schema::PlanePromote>& x) {
    ++calls_;
    if (x.read().getEpoch() < 5)
      return to_caf(fault{errc::refused, "stale epoch"});
    return packet<schema::PlanePromoted>::make(
        [&](auto root) { root.setEpoch(x.read().getEpoch()); });
  }

  interface::pointer self_;
  int& calls_;
};

door::envelope promote(std::uint64_t epoch) {
  return door::wrap(packet<schema::PlanePromote>::make([&](auto root) {
    root.setEpoch(epoch);
    root.setHolder("host-a");
  }));
}

struct router_fixture : test::test_system {
  int calls = 0;
  std::shared_ptr<test::fake_client> far = std::make_shared<test::fake_client>();
  toy_verbs::actor toy = adopt(toy_verbs::actor{system.spawn<hosted<toy_state>>(calls)});
  dispatcher_actor uut = adopt(spawn_dispatcher(system, routes()));
  door::service service = door_service(uut);

  router routes() {
    router out;
    out.serve<toy_verbs>(toy, {"coordinator", "local"}, 10s)
        .forward<far_verbs>(far, {"coordinator"}, 3s)
        .limit<schema::PlaneRelease>(2s)
        .pong("agent", "host-a", "1.2.3")
        .check<schema::PlanePromote>([](auto request, const door::peer& from) -> result<void> {
          if (from.name == "imposter" && request.getHolder() != "imposter")
            return fault{errc::refused, "not your host"};
          return {};
        });
    return out;
  }

  std::optional<result<door::envelope>> call(door::envelope request, door::peer from) {
    auto out = std::make_shared<std::optional<result<door::envelope>>>();
    service(std::move(request), from, [out](result<door::envelope> got) { *out = std::move(got); });
    settle();
    return *out;
  }

  errc code(const std::optional<result<door::envelope>>& got) {
    REQUIRE(got.has_value());
    return *got ? errc::ok : got->error().code;
  }
};

} // namespace

TEST_CASE_FIXTURE(router_fixture, "router: asks the actor and answers with its packet or fault") {
  auto got = call(promote(7), {"coordinator", ""});
  REQUIRE(got.has_value());
  REQUIRE(*got);
  auto reply = door::unwrap<schema::PlanePromoted>(**got);
  REQUIRE(reply);
  CHECK(reply->read().getEpoch() == 7);
  got = call(promote(1), {"local", ""});
  REQUIRE(code(got) == errc::refused);
  CHECK(got->error().detail == "stale epoch");
}

TEST_CASE_FIXTURE(router_fixture, "router: an unknown type is not_found") {
  CHECK(code(call({0xdead, {}}, {"coordinator", ""})) == errc::not_found);
}

TEST_CASE_FIXTURE(router_fixture, "router: a wrong role is refused and the actor never asked") {
  for (const char* role : {"tool", "", "*", "coordinator "}) {
    CAPTURE(role);
    auto got = call(promote(7), {role, "x"});
    CHECK(code(got) == errc::refused);
    CHECK(got->error().detail.find("PlanePromote") != std::string::npos);
  }
  CHECK(calls == 0);
}

TEST_CASE_FIXTURE(router_fixture, "router: a further rule sees the request and the peer") {
  CHECK(code(call(promote(7), {"coordinator", "imposter"})) == errc::refused);
  CHECK(calls == 0);
}

TEST_CASE_FIXTURE(router_fixture, "router: a malformed payload never reaches the actor") {
  auto broken = promote(7);
  broken.payload.resize(broken.payload.size() - 3);
  CHECK(code(call(broken, {"coordinator", ""})) == errc::malformed);
  broken = promote(7);
  broken.payload[4] = std::byte{0xff}; // the root claims more words than there are
  CHECK(code(call(broken, {"coordinator", ""})) == errc::malformed);
  CHECK(calls == 0);
}

TEST_CASE_FIXTURE(router_fixture, "router: an actor that does not answer in time is a timeout") {
  auto got = std::make_shared<std::optional<result<door::envelope>>>();
  service(door::wrap(packet<schema::PlaneRelease>{}), {"coordinator", ""},
          [got](result<door::envelope> x) { *got = std::move(x); });
  settle();
  advance(1999ms);
  CHECK_FALSE(got->has_value());
  advance(1ms);
  CHECK(code(*got) == errc::timeout);
}

TEST_CASE_FIXTURE(router_fixture, "router: an actor that has ended is unreachable") {
  self->send_exit(toy, caf::exit_reason::kill);
  settle();
  CHECK(code(call(promote(7), {"coordinator", ""})) == errc::unreachable);
}

TEST_CASE_FIXTURE(router_fixture, "router: a forwarded verb passes through as it is") {
  door::envelope odd{packet<schema::PlaneDrain>::type_id, {std::byte{1}}};
  far->answer_with([&](const door::envelope& request, auto timeout) {
    CHECK(request.payload == odd.payload); // not admitted here
    CHECK(timeout == 3s);
    return door::wrap(packet<schema::Done>{});
  });
  CHECK(code(call(odd, {"coordinator", ""})) == errc::ok);
  CHECK(code(call(odd, {"local", ""})) == errc::refused);
}

TEST_CASE_FIXTURE(router_fixture, "router: anyone may ping") {
  auto got = call(door::wrap(packet<schema::Ping>{}), {"stranger", ""});
  REQUIRE(code(got) == errc::ok);
  auto pong = door::unwrap<schema::Pong>(**got);
  REQUIRE(pong);
  CHECK(std::string_view{pong->read().getName().cStr()} == "host-a");
}

TEST_CASE_FIXTURE(router_fixture, "router: an actor inside asks by envelope, without a role") {
  std::optional<result<door::envelope>> got;
  auto reply = try_ask<sealed>(courier_actor{uut}, sealed{promote(9)});
  REQUIRE(reply);
  CHECK((*reply)->type == packet<schema::PlanePromoted>::type_id);
  auto refused = try_ask<sealed>(courier_actor{uut}, sealed{promote(1)});
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == fault{errc::refused, "stale epoch"});
}

namespace {

/// Asks twice when told to: by envelope and by packet.
class asker_state {
public:
  using interface = caf::typed_actor<compat::one_way<int>>;
  static constexpr const char* name = "asker";

  asker_state(interface::pointer self, courier_actor courier, toy_verbs::actor toy,
              std::vector<std::string>& log)
      : self_(self), courier_(courier), toy_(toy), log_(log) {}

  interface::behavior_type make_behavior() {
    return {[this](int epoch) {
      ask_any(self_, courier_, promote(epoch), 5s, [this](result<door::envelope> got) {
        log_.push_back(got ? "answer" : to_string(got.error()));
      });
      auto typed = packet<schema::PlanePromote>::make([&](auto root) { root.setEpoch(epoch); });
      ask<schema::PlanePromoted>(self_, toy_, typed, 5s,
                                 [this](result<packet<schema::PlanePromoted>> got) {
                                   log_.push_back(got ? "packet" : to_string(got.error()));
                                 });
    }};
  }

private:
  interface::pointer self_;
  const courier_actor courier_;
  const toy_verbs::actor toy_;
  std::vector<std::string>& log_;
};

} // namespace

TEST_CASE_FIXTURE(router_fixture, "ask: continuations get the answer or the fault, once") {
  std::vector<std::string> log;
  auto asker = system.spawn<hosted<asker_state>>(courier_actor{uut}, toy, log);
  self->send(asker, 7);
  settle();
  CHECK(log.size() == 2);
  CHECK(std::count(log.begin(), log.end(), "answer") == 1);
  CHECK(std::count(log.begin(), log.end(), "packet") == 1);
  log.clear();
  self->send(asker, 1);
  settle();
  CHECK(log == std::vector<std::string>(2, "refused: stale epoch"));
}
