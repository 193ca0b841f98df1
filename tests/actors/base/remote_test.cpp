// SPDX-License-Identifier: Apache-2.0
#include "actors/base/remote.hpp"
#include "schemas/plane.capnp.h"
#include "tests/support/fake_client.hpp"
#include "tests/support/test_system.hpp"

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

using toy_verbs =
    verbs<verb<schema::Ping, schema::Pong>, verb<schema::PlanePromote, schema::PlanePromoted>>;
using toy_actor = toy_verbs::actor;

packet<schema::Pong> pong(const char* name) {
  return packet<schema::Pong>::make([&](auto root) { root.setName(name); });
}

struct remote_fixture : test::test_system {
  std::shared_ptr<test::fake_client> line = std::make_shared<test::fake_client>();
  remote_actor<toy_verbs> whole =
      adopt(spawn_remote<toy_verbs>(system, line, {.timeout = 5s, .requests_max = 2}));
  toy_actor uut = whole;

  /// Sends a ping and leaves the answer open.
  auto start_ping() {
    auto pending = self->request(uut, caf::infinite, packet<schema::Ping>{});
    settle();
    return pending;
  }
};

} // namespace

TEST_CASE_FIXTURE(remote_fixture, "remote: forwards a request and delivers its answer") {
  line->answer_with([](const door::envelope& request, auto timeout) {
    CHECK(request.type == packet<schema::PlanePromote>::type_id);
    CHECK(timeout == 5s);
    auto asked = packet<schema::PlanePromote>::admit(request.payload);
    REQUIRE(asked);
    return door::wrap(packet<schema::PlanePromoted>::make(
        [&](auto root) { root.setEpoch(asked->read().getEpoch()); }));
  });
  auto request = packet<schema::PlanePromote>::make([](auto root) { root.setEpoch(7); });
  CHECK(ask<packet<schema::PlanePromoted>>(uut, request).read().getEpoch() == 7);
}

TEST_CASE_FIXTURE(remote_fixture, "remote: a fault arrives as it was") {
  line->answer_with([](auto&, auto) -> result<door::envelope> {
    return fault{errc::refused, "epoch 3 is fenced"};
  });
  CHECK(ask_fault<packet<schema::Pong>>(uut, packet<schema::Ping>{})
        == fault{errc::refused, "epoch 3 is fenced"});
}

TEST_CASE_FIXTURE(remote_fixture, "remote: a fault envelope is a fault, not an answer") {
  line->answer_with([](auto&, auto) {
    return door::wrap_fault({errc::no_space, "host-c is full"});
  });
  CHECK(ask_fault<packet<schema::Pong>>(uut, packet<schema::Ping>{})
        == fault{errc::no_space, "host-c is full"});
}

TEST_CASE_FIXTURE(remote_fixture, "remote: an answer of another type, or rubbish, is malformed") {
  line->answer_with([](auto&, auto) { return door::wrap(packet<schema::Done>{}); });
  CHECK(ask_fault<packet<schema::Pong>>(uut, packet<schema::Ping>{}).code == errc::malformed);
  line->answer_with([](auto&, auto) {
    return door::envelope{packet<schema::Pong>::type_id, std::vector<std::byte>(13)};
  });
  CHECK(ask_fault<packet<schema::Pong>>(uut, packet<schema::Ping>{}).code == errc::malformed);
}

TEST_CASE_FIXTURE(remote_fixture, "remote: answers out of order find their requests") {
  auto first = start_ping();
  auto second = start_ping();
  REQUIRE(line->held() == 2);
  line->release(1, door::wrap(pong("second")));
  line->release(0, door::wrap(pong("first")));
  settle();
  auto check = [](const char* name) {
    return [name](packet<schema::Pong>& got) {
      CHECK(std::string_view{got.read().getName().cStr()} == name);
    };
  };
  auto bad = [](const caf::error& why) { FAIL(to_string(to_fault(why))); };
  first.receive(check("first"), bad);
  second.receive(check("second"), bad);
}

TEST_CASE_FIXTURE(remote_fixture,
                  "remote: more requests than the limit are busy, until one is answered") {
  start_ping();
  start_ping();
  CHECK(ask_fault<packet<schema::Pong>>(uut, packet<schema::Ping>{}).code == errc::busy);
  line->release(0, door::wrap(pong("a")));
  settle();
  start_ping();
  CHECK(line->held() == 3);
}

TEST_CASE_FIXTURE(remote_fixture,
                  "remote: an actor that ends answers canceled, and a late answer is dropped") {
  auto pending = start_ping();
  self->send_exit(uut, caf::exit_reason::kill);
  settle();
  line->release(0, door::wrap(pong("late")));
  settle();
  pending.receive([](packet<schema::Pong>&) { FAIL("answered"); },
                  [](const caf::error& why) { CHECK(to_fault(why).code == errc::canceled); });
}

TEST_CASE_FIXTURE(remote_fixture, "remote: a courier passes envelopes of any type both ways") {
  line->answer_with([](const door::envelope& request, auto) {
    return door::envelope{request.type + 1, request.payload};
  });
  auto got = ask<sealed>(courier_actor{whole}, sealed{{41, {std::byte{5}}}});
  CHECK(got->type == 42);
  CHECK(got->payload == std::vector<std::byte>{std::byte{5}});
}

TEST_CASE_FIXTURE(remote_fixture, "errors: a fault survives the way through caf::error") {
  fault why{errc::corrupt, "extent 7 does not match its checksum"};
  CHECK(to_fault(to_caf(why)) == why);
  CHECK(system.render(to_caf(why)) == to_string(why));
  CHECK(to_fault(caf::sec::request_timeout).code == errc::timeout);
  CHECK(to_fault(caf::sec::request_receiver_down).code == errc::unreachable);
  CHECK(to_fault(caf::sec::unexpected_message).code == errc::failed);
}
