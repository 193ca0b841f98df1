// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/collector.hpp"
#include "actors/agent/forecasts.hpp"
#include "actors/agent/mover.hpp"
#include "actors/agent/vault.hpp"
#include "tests/actors/agent/doubles.hpp"
#include "tests/actors/agent/scratch.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

struct collector_fixture : test::agent_fixture {
  test::scratch dir;
  std::shared_ptr<agent_store> store = *open_agent_store({.path = dir.path()});
  vault_actor keeper = system.spawn<vault>(store, clock, vault_options{});
  forecasts_actor learner = system.spawn<forecasts>(keeper, up, clock, forecasts_options{});
  mover_actor moves = system.spawn<mover>(plane, clock, mover_options{});
  collector_actor uut;

  void start() {
    uut = system.spawn<collector>(collector_parts{plane, keeper, learner, moves, up},
                                  host_reporter{"host-a", clock}, collector_options{});
    settle();
  }

  bool last_misses(const std::string& what) {
    auto missing = uplink_does->reports.back().read().getSample().getMissing();
    for (auto x : missing)
      if (x == what.c_str())
        return true;
    return false;
  }
};

} // namespace

TEST_CASE_FIXTURE(collector_fixture,
                  "the host is measured every interval, its storage service as the "
                  "difference of two looks") {
  plane_does->status = test::plane_status(7, schema::LeaseState::PRIMARY, 1000);
  start();
  REQUIRE(uplink_does->reports.size() == 1);
  CHECK(uplink_does->reports[0].read().getHost() == "host-a");
  CHECK(uplink_does->reports[0].read().getNbsr().getReadIops() == 0);
  CHECK(uplink_does->reports[0].read().getSample().getCores() > 0);
  plane_does->status = test::plane_status(7, schema::LeaseState::PRIMARY, 1500);
  pass(1s, 250ms);
  REQUIRE(uplink_does->reports.size() == 2);
  CHECK(uplink_does->reports[1].read().getNbsr().getReadIops() == doctest::Approx(500));
  CHECK(uplink_does->reports[1].read().getPlane().getPid() == 100);
  CHECK_FALSE(last_misses("data plane"));
}

TEST_CASE_FIXTURE(collector_fixture,
                  "without a data plane the host is still reported, and the report "
                  "says what is missing") {
  plane_does->status = test::plane_status(7, schema::LeaseState::PRIMARY);
  start();
  plane_does->up = false;
  pass(1s, 250ms);
  REQUIRE(uplink_does->reports.size() == 2);
  CHECK(last_misses("data plane"));
  CHECK_FALSE(uplink_does->reports[1].read().hasPlane());
  plane_does->up = true;
  pass(1s, 250ms);
  CHECK_FALSE(last_misses("data plane"));
  CHECK(uplink_does->reports[2].read().getNbsr().getReadIops() == 0); // no rate over a gap
}

TEST_CASE_FIXTURE(collector_fixture, "drained accesses are stored, packed, and learned") {
  plane_does->status = test::plane_status(7, schema::LeaseState::PRIMARY);
  start();
  for (int i = 0; i < 8; ++i)
    plane_does->logs.push_back(test::read_log(7, clock.wall_ms() + i * 250, 42, 20));
  pass(3s, 250ms);
  CHECK(plane_does->logs.empty());
  CHECK(store->totals().records == 160);
  auto segments = store->log(0, 10);
  REQUIRE(segments);
  REQUIRE_FALSE(segments->empty());
  auto records = decode_access_segment((*segments)[0].body);
  REQUIRE(records);
  CHECK((*records)[0].offset == 42u << 20);
  REQUIRE_FALSE(uplink_does->forecasts.empty());
  CHECK(uplink_does->forecasts.back().read().getForecast().getExtents()[0].getExtent() == 42);
}

TEST_CASE_FIXTURE(collector_fixture,
                  "a data plane that has more records is drained again at once") {
  plane_does->status = test::plane_status(7, schema::LeaseState::PRIMARY);
  for (int i = 0; i < 5; ++i)
    plane_does->logs.push_back(packet<schema::PlaneLog>::make([](auto x) { x.setMore(true); }));
  plane_does->logs.push_back(test::read_log(7, clock.wall_ms(), 1, 1));
  start();
  CHECK(plane_does->logs.empty());
}

TEST_CASE_FIXTURE(collector_fixture, "what the coordinator asks for reaches the mover") {
  uplink_does->wanted =
      packet<schema::HostWelcome>::make([](auto x) { x.setMoveRateBytes(3u << 20); });
  start();
  auto status = ask<packet<schema::AgentStatus>>(moves, packet<schema::AgentStatusGet>{});
  CHECK(status.read().getMoveRateNow() == 3u << 20);
}
