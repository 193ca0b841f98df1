// SPDX-License-Identifier: Apache-2.0
#include "core/lease/replicas.hpp"
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Two replicas an extent, attached at a, everything written.
struct replicated_cell : test_cell {
  explicit replicated_cell(unsigned replicas = 2) : test_cell(replicas) {
    create();
    REQUIRE(attach("a"));
    write_all();
    report_all();
  }

  void write_all() {
    for (std::uint32_t e = 0; e < shape().extents(); ++e)
      (void)hosts.write(e, ++value);
  }

  std::vector<std::string> problems() {
    std::vector<std::string> all;
    auto status = world.ask<packet<schema::Status>>(x.directory, packet<schema::StatusGet>{});
    for (auto text : status.read().getProblems())
      all.push_back(text.cStr());
    return all;
  }

  bool said(const std::string& words) {
    auto all = world.ask<packet<schema::Events>>(
        x.events, packet<schema::EventsGet>::make([](auto out) { out.setLimit(1000); }));
    for (auto event : all.read().getEvents())
      if (std::string{event.getText().cStr()}.find(words) != std::string::npos)
        return true;
    return false;
  }

  int value = 0;
};

struct without_b : replicated_cell {
  without_b() {
    hosts.at("b").up = false;
    write_all();
    suspect("a", "b", 1);
  }
};

} // namespace

TEST_CASE("a replica that the primary complains of is left out, and everybody is told") {
  without_b cell;
  auto now = cell.facts().placement;
  CHECK(now.in_sync("b").isEmpty());
  CHECK(cell.hosts.at("a").map->version() == now.version());
  CHECK(cell.hosts.write(now.lost().at("b").extents.minimum(), ++cell.value));
  CHECK(cell.said("replica b left out: unreachable; 1 of 2 left"));
  auto info = cell.show();
  CHECK(info.read().getDegraded() == now.lost().at("b").extents.cardinality());
  REQUIRE(info.read().getLost().size() == 1);
  CHECK(std::string{info.read().getLost()[0].getHost().cStr()} == "b");
  CHECK(std::string{info.read().getHealth().cStr()}.starts_with("degraded: "));
  CHECK(cell.problems().size() == 1);
}

TEST_CASE("a complaint counts only from the primary, at its epoch") {
  replicated_cell cell;
  cell.hosts.at("b").up = false;
  cell.suspect("c", "b", 1);
  cell.suspect("a", "b", 7);
  CHECK(cell.facts().placement.lost().empty());
}

TEST_CASE("writes wait for a host with the only copy, and the operator is told") {
  replicated_cell cell{1};
  cell.suspect("a", "b", 1);
  CHECK(cell.facts().placement.lost().empty());
  REQUIRE(cell.problems().size() == 1);
  CHECK(cell.problems()[0].find("without which nobody has") != std::string::npos);
  CHECK(cell.said("writes wait for host b"));
  cell.live(7);
  CHECK(cell.problems().empty());
}

TEST_CASE("of two suspects that share something none is left out while both are silent") {
  replicated_cell cell;
  auto shared = lease::held_only_by(cell.facts().placement, {"b", "c"});
  REQUIRE_FALSE(shared.isEmpty());
  cell.suspect("a", std::vector{"b", "c"}, 1);
  CHECK(cell.facts().placement.lost().empty());
  CHECK(cell.problems().size() == 2);
  cell.suspect("a", "b", 1); // c answers again
  CHECK(cell.facts().placement.lost().contains("b"));
  CHECK_FALSE(cell.facts().placement.lost().contains("c"));
}

TEST_CASE("a host whose machine restarted gives up what others have and gets it back by itself") {
  replicated_cell cell;
  auto older = cell.hosts.at("b").data;
  cell.write_all();
  cell.hosts.power_cycle("b", older);
  cell.live(2);
  CHECK(cell.hosts.at("b").doubt == 0);
  CHECK(cell.said("host b restarted and may lack writes"));
  cell.live(8);
  auto now = cell.facts().placement;
  CHECK(now.lost().empty());
  CHECK(now.degraded().isEmpty());
  cell.write_all();
  cell.check_clean();
}

TEST_CASE("a host whose machine restarted waits for the others that have what it has") {
  replicated_cell cell;
  for (auto name : {"a", "c"})
    cell.hosts.at(name).up = false;
  cell.live(60);
  cell.hosts.power_cycle("b", cell.hosts.at("b").data);
  cell.live(5);
  CHECK(cell.hosts.at("b").doubt != 0);
  for (auto name : {"a", "c"})
    cell.hosts.at(name).up = true;
  cell.live(12);
  CHECK(cell.hosts.at("b").doubt == 0);
}

TEST_CASE("hosts whose machines restarted one after the other are settled in that order") {
  replicated_cell cell;
  cell.write_all();
  cell.hosts.power_cycle("c", {}); // has lost everything
  cell.hosts.power_cycle("b", cell.hosts.at("b").data);
  cell.live(20);
  CHECK(cell.hosts.at("b").doubt == 0);
  CHECK(cell.hosts.at("c").doubt == 0);
  CHECK(cell.facts().placement.lost().empty());
  cell.check_clean();
}

TEST_CASE("a host that is back gets back what it missed, and nobody watches any more") {
  without_b cell;
  cell.write_all();
  cell.live(7);
  CHECK_FALSE(cell.facts().placement.lost().empty());
  cell.hosts.at("b").up = true;
  cell.live(5);
  auto now = cell.facts().placement;
  CHECK(now.lost().empty());
  CHECK(now.degraded().isEmpty());
  for (auto& [name, host] : cell.hosts.all())
    CHECK(host.notes.empty());
  CHECK(cell.said("replica b is back"));
  CHECK(cell.problems().empty());
  cell.check_clean();
}

TEST_CASE(
    "a host that stays away is replaced after the grace time and has nothing when it returns") {
  without_b cell;
  cell.stop();
  cell.rules.grace = 10s;
  cell.start();
  for (auto name : {"a", "c"})
    cell.hello(name);
  cell.live(8);
  CHECK_FALSE(cell.facts().placement.degraded().isEmpty());
  cell.live(8);
  CHECK(cell.facts().placement.degraded().isEmpty());
  CHECK(cell.facts().placement.hosts_to_seal() == host_set{"a", "c"});
  cell.hosts.at("b").up = true;
  cell.hello("b");
  cell.live(4);
  CHECK(cell.facts().placement.lost().empty());
  CHECK(cell.hosts.at("b").replicas.empty());
  cell.check_clean();
}

TEST_CASE("a coordinator that dies after any number of messages of a removal ends it cleanly") {
  for (int steps = 0; steps < 60; steps += 2) {
    CAPTURE(steps);
    replicated_cell cell;
    cell.hosts.at("b").up = false;
    cell.world.self->send(cell.x.mender, packet<schema::ReplicasSuspected>::make([](auto out) {
                            out.setReporter("a");
                            auto one = out.initSuspects(1)[0];
                            one.setVolume(1);
                            one.setEpoch(1);
                            one.setHost("b");
                          }));
    cell.run_steps(steps);
    cell.restart();
    cell.suspect("a", "b", 1); // it waits, so it complains again
    CHECK(cell.hosts.write(cell.facts().placement.lost().at("b").extents.minimum(), ++cell.value));
    cell.hosts.at("b").up = true;
    cell.hello("b");
    cell.live(6);
    CHECK(cell.facts().placement.lost().empty());
    cell.check_clean();
  }
}

TEST_CASE("nothing moves for affinity while a volume is degraded") {
  without_b cell;
  cell.stop();
  cell.rules.hold = 0ms;
  cell.rules.follow = follow_rule::EXPECTED;
  cell.start();
  for (auto name : {"a", "c"})
    cell.hello(name);
  auto before = cell.facts().placement.version();
  cell.forecast("a");
  cell.live(4);
  CHECK(cell.facts().placement.version() == before);
}
