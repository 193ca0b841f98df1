// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct announced_cell : test_cell {
  announced_cell() {
    hosts.on_configure = [this](const std::string& host, schema::PlaneConfigure::Reader in) {
      if (in.getExpectMs() > 0)
        expecting[host] = clock.monotonic_ns();
    };
    create();
    REQUIRE(attach("a"));
    forecast("a");
    report_all();
  }

  result<packet<schema::Intents>> announce(const char* to, bool no_copy = false,
                                           std::int64_t by_ms = 0) {
    return world.try_ask<packet<schema::Intents>>(x.herald,
                                                  packet<schema::Announce>::make([&](auto out) {
                                                    out.setVolume("vol1");
                                                    out.setTo(to);
                                                    out.setNoCopy(no_copy);
                                                    out.setByMs(by_ms);
                                                  }));
  }
  result<packet<schema::Intents>> withdraw(const char* to) {
    return world.try_ask<packet<schema::Intents>>(
        x.herald, packet<schema::AnnounceWithdraw>::make([&](auto out) {
          out.setVolume("vol1");
          out.setTo(to);
        }));
  }
  unsigned listed() {
    return world
        .ask<packet<schema::Intents>>(x.herald, packet<schema::AnnounceList>::make([](auto) {}))
        .read()
        .getIntents()
        .size();
  }
  /// Whether the host was told lately that clients may connect.
  bool expects(const std::string& host) {
    auto before = clock.monotonic_ns();
    live(5);
    return expecting.contains(host) && expecting[host] > before;
  }

  std::map<std::string, std::int64_t> expecting;
};

} // namespace

TEST_CASE("an announced host expects the volume's clients until the move is withdrawn") {
  announced_cell cell;
  CHECK_FALSE(cell.expects("c"));
  REQUIRE(cell.announce("c", true));
  CHECK(cell.expects("c"));
  CHECK_FALSE(cell.expects("b"));
  CHECK(cell.listed() == 1);
  auto left = cell.withdraw("c");
  REQUIRE(left);
  CHECK(left->read().getIntents().size() == 0);
  CHECK_FALSE(cell.expects("c"));
  CHECK(cell.withdraw("c").error().code == errc::not_found);
}

TEST_CASE("an announcement is answered when clients may connect at the host") {
  announced_cell cell;
  auto& world = cell.world;
  auto order = packet<schema::Announce>::make([](auto out) {
    out.setVolume("vol1");
    out.setTo("c");
  });
  auto answer = world.self->request(cell.x.herald, caf::infinite, order);
  while (!world.self->has_next_message() && world.scheduler.has_job())
    cell.run_steps(1);
  CHECK(cell.expecting.contains("c"));
  answer.receive([](const packet<schema::Intents>&) {},
                 [](const caf::error& why) { FAIL(to_fault(why).detail); });
}

TEST_CASE("an announcement survives the coordinator and ends with the move") {
  announced_cell cell;
  REQUIRE(cell.announce("c", true));
  cell.crash();
  cell.start();
  for (auto host : {"a", "b", "c"})
    cell.hello(host);
  cell.live(2);
  CHECK(cell.listed() == 1);
  CHECK(cell.expects("c"));
  REQUIRE(cell.flip("c"));
  CHECK(cell.listed() == 0);
  CHECK_FALSE(cell.expects("c"));
}

TEST_CASE("an announcement that makes no sense is refused") {
  announced_cell cell;
  CHECK(cell.announce("a").error().code == errc::precondition);
  CHECK(cell.announce("nowhere").error().code == errc::not_found);
  CHECK(cell.listed() == 0);
}

TEST_CASE("what an announced volume will need walks there, and stays") {
  announced_cell cell;
  cell.stop();
  cell.rules.hold = 0ms;
  cell.rules.follow = follow_rule::EXPECTED;
  cell.start();
  for (auto host : {"a", "b", "c"})
    cell.hello(host);
  cell.forecast("a");
  REQUIRE(cell.announce("c"));
  for (int i = 0; i < 60; ++i) {
    cell.report_all();
    cell.advance(500ms);
  }
  CHECK(cell.hosts.at("c").replicas.size() == 8);
  CHECK(cell.facts().lease.holder == "a");
  REQUIRE(cell.withdraw("c"));
  for (int i = 0; i < 60; ++i) {
    cell.report_all();
    cell.advance(500ms);
  }
  CHECK(cell.hosts.at("c").replicas.empty());
  cell.check_clean();
}

TEST_CASE("targets are ranked, the holder last") {
  announced_cell cell;
  auto all = cell.world.ask<packet<schema::Targets>>(
      cell.x.board, packet<schema::TargetsGet>::make([](auto out) { out.setVolume("vol1"); }));
  auto rows = all.read().getTargets();
  REQUIRE(rows.size() == 3);
  CHECK(std::string{rows[2].getHost().cStr()} == "a");
  CHECK(rows[2].getWhyNot().size() > 0);
  CHECK(rows[0].getWhyNot().size() == 0);
  CHECK(rows[1].getWhyNot().size() == 0);
  CHECK(rows[0].getPromised().getBytes() > 0);
}
