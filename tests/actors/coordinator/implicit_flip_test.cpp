// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct wishing_cell : test_cell {
  struct told {
    bool implicit = false;
    std::string holder;
  };
  std::map<std::string, told> latest; ///< What each host was told of early clients.

  wishing_cell() {
    hosts.on_configure = [this](const std::string& host, schema::PlaneConfigure::Reader in) {
      if (in.getExpectMs() > 0)
        latest[host] = {in.getImplicit(), in.getHolder().cStr()};
    };
    create();
    REQUIRE(attach("a"));
    report_all();
  }

  void announce(const char* to) {
    REQUIRE(world.try_ask<packet<schema::Intents>>(x.herald,
                                                   packet<schema::Announce>::make([&](auto out) {
                                                     out.setVolume("vol1");
                                                     out.setTo(to);
                                                     out.setNoCopy(true);
                                                   })));
  }
  result<packet<schema::VolumeInfo>> set(const char* key, const char* value) {
    return world.try_ask<packet<schema::VolumeInfo>>(x.catalog,
                                                     packet<schema::VolumeSet>::make([&](auto out) {
                                                       out.setName("vol1");
                                                       out.setKey(key);
                                                       out.setValue(value);
                                                     }));
  }
  /// A client's write at `host` waits for the lease: the host's agent says so.
  void wish(const char* host) {
    world.ask<packet<schema::Done>>(x.herald, packet<schema::LeaseWanted>::make([&](auto out) {
                                      out.setHost(host);
                                      out.initVolumes(1).set(0, 1);
                                    }));
    live(1);
  }
  std::string holder() { return facts().lease.holder; }
};

} // namespace

TEST_CASE("a wish from an announced host of a volume that opted in takes the lease") {
  wishing_cell cell;
  REQUIRE(cell.set("implicit-flip", "on"));
  cell.announce("c");
  cell.live(3);
  CHECK(cell.latest["c"].implicit);
  CHECK(cell.latest["c"].holder == "a");
  cell.wish("c");
  CHECK(cell.holder() == "c");
  cell.check_clean();
  auto task = cell.task(2);
  CHECK(task.read().getImplicit());
  CHECK(task.read().getKind() == schema::TaskKind::FLIP);
  CHECK(task.read().getState() == schema::TaskState::DONE);
}

TEST_CASE("without opting in, or from a host that is not announced, a wish is not heard") {
  wishing_cell cell;
  cell.announce("c");
  cell.wish("c");
  CHECK(cell.holder() == "a");
  CHECK_FALSE(cell.latest["c"].implicit);
  REQUIRE(cell.set("implicit-flip", "on"));
  cell.wish("b");
  CHECK(cell.holder() == "a");
  cell.wish("c");
  CHECK(cell.holder() == "c");
  // The announcement was fulfilled: the former holder's client cannot take it back.
  cell.wish("a");
  CHECK(cell.holder() == "c");
}

TEST_CASE("a source that does not yield in time keeps the lease, and the next wish is heard") {
  wishing_cell cell;
  REQUIRE(cell.set("implicit-flip", "on"));
  cell.announce("c");
  cell.hosts.at("a").busy_answers = 100'000;
  cell.wish("c");
  cell.wish("c"); // repeated while the flip runs: one task at a time
  for (int i = 0; i < 60; ++i)
    cell.live(1);
  CHECK(cell.holder() == "a");
  cell.check_clean();
  auto task = cell.task(2);
  CHECK(task.read().getState() == schema::TaskState::FAILED);
  CHECK(task.read().getErrorCode() == static_cast<std::uint16_t>(errc::busy));
  cell.hosts.at("a").busy_answers = 0;
  cell.wish("c");
  CHECK(cell.holder() == "c");
  cell.check_clean();
}

TEST_CASE(
    "a volume's policy outlives the coordinator, is told to announced hosts, and is checked") {
  wishing_cell cell;
  CHECK(cell.set("implicit-flip", "perhaps").error().code == errc::invalid);
  CHECK(cell.set("colour", "on").error().code == errc::invalid);
  REQUIRE(cell.set("implicit-flip", "on"));
  REQUIRE(cell.set("follow", "none"));
  cell.restart();
  auto policy = cell.show().read().getPolicy();
  CHECK(policy.getImplicitFlip());
  CHECK(policy.getFollow() == schema::Follow::NONE);
  cell.announce("c");
  cell.world.settle();
  CHECK(cell.latest["c"].implicit);
  REQUIRE(cell.set("implicit-flip", "off"));
  cell.world.settle();
  CHECK_FALSE(cell.latest["c"].implicit); // at once, not with the next round
}
