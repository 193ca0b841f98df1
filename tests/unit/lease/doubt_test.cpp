// SPDX-License-Identifier: Apache-2.0
#include "core/lease/loss_machine.hpp"
#include "core/lease/repair.hpp"
#include "tests/unit/lease/loss_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Host b has lost the last writes with its power, and doubts what it has.
struct doubting_cell : loss_cell {
  doubting_cell() {
    auto older = hosts.at("b").data;
    write_all();
    hosts.power_cycle("b", older);
  }
};

} // namespace

TEST_CASE("a host that doubts what it has gives up what others have, and is trusted then") {
  doubting_cell cell;
  auto held = cell.facts().placement.in_sync("b");
  CHECK_FALSE(cell.hosts.write(held.minimum(), ++cell.value));
  REQUIRE_FALSE(cell.settle_doubt("b")->why);
  CHECK(cell.hosts.at("b").doubt == 0);
  CHECK(cell.facts().placement.lost().at("b").extents == held);
  CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
  REQUIRE_FALSE(cell.resync("b")->why);
  CHECK(cell.facts().placement.lost().empty());
  cell.check_clean();
}

TEST_CASE("a host that doubts what it has keeps what no other host has") {
  loss_cell cell;
  cell.hosts.at("c").up = false;
  REQUIRE_FALSE(cell.lose("c")->why); // some of what b has is nowhere else now
  cell.hosts.at("c").up = true;
  auto only = lease::held_only_by(cell.facts().placement, {"b"});
  auto held = cell.facts().placement.in_sync("b");
  REQUIRE_FALSE(only.isEmpty());
  REQUIRE_FALSE((held - only).isEmpty());
  cell.hosts.power_cycle("b", cell.hosts.at("b").data);
  REQUIRE_FALSE(cell.settle_doubt("b")->why);
  CHECK(cell.hosts.at("b").doubt == 0);
  CHECK(cell.facts().placement.in_sync("b") == only);
  CHECK(cell.facts().placement.lost().at("b").extents == held - only);
  CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
  REQUIRE_FALSE(cell.resync("b")->why);
  REQUIRE_FALSE(cell.resync("c")->why);
  CHECK(cell.facts().placement.degraded().isEmpty());
  cell.check_clean();
}

TEST_CASE("a holder whose machine restarted is trusted although it serves no map") {
  loss_cell cell;
  auto older = cell.hosts.at("a").data;
  cell.write_all();
  cell.hosts.power_cycle("a", older);
  REQUIRE_FALSE(cell.settle_doubt("a")->why);
  CHECK(cell.hosts.at("a").doubt == 0);
  cell.recover(); // promotes it again
  REQUIRE_FALSE(cell.resync("a")->why);
  CHECK(cell.facts().placement.lost().empty());
  cell.check_clean();
}

TEST_CASE("an answer to an earlier doubt does not end a later one") {
  doubting_cell cell;
  auto first = cell.hosts.at("b").doubt;
  cell.hosts.power_cycle("b", cell.hosts.at("b").data);
  lease::loss_machine uut{{cell.shape.id, "b", 0, first}};
  auto end = cell.drive(uut);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::refused);
  CHECK(cell.hosts.at("b").doubt != 0);
  REQUIRE_FALSE(cell.settle_doubt("b")->why);
  CHECK(cell.hosts.at("b").doubt == 0);
}

TEST_CASE("ending a doubt survives any one trouble at any step, with writes all the time") {
  auto settle = [](doubting_cell& cell) { return cell.settle_doubt("b"); };
  int runs = survives_everything<doubting_cell>(settle, [&](doubting_cell& cell) {
    if (cell.hosts.at("b").doubt != 0) // it says so in every report
      REQUIRE_FALSE(cell.settle_doubt("b")->why);
    CHECK(cell.hosts.at("b").doubt == 0);
    CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
    REQUIRE_FALSE(cell.resync("b")->why);
  });
  CHECK(runs >= 25);
}

TEST_CASE("a host is not left out where only a host that doubts would be left") {
  doubting_cell cell;
  cell.hosts.at("c").up = false;
  cell.hosts.at("a").up = true;
  auto map = cell.facts().placement;
  auto end = cell.lose("a"); // as if the primary's own disk had failed
  REQUIRE(end->why);
  CHECK(end->why->code == errc::precondition);
  CHECK(cell.facts().placement == map);
  cell.hosts.at("c").up = true;
  REQUIRE_FALSE(cell.settle_doubt("b")->why);
  REQUIRE_FALSE(cell.resync("b")->why);
  REQUIRE_FALSE(cell.lose("a")->why);
}

TEST_CASE("of two hosts that doubt the one that has longer gives up what both have") {
  loss_cell cell;
  cell.write_all();
  cell.hosts.power_cycle("b", {}); // has lost all of it
  cell.hosts.power_cycle("a", cell.hosts.at("a").data);
  auto later = cell.settle_doubt("a");
  REQUIRE(later->why);
  CHECK(later->why->code == errc::busy);
  CHECK(cell.facts().placement.lost().empty());
  REQUIRE_FALSE(cell.settle_doubt("b")->why);
  REQUIRE_FALSE(cell.settle_doubt("a")->why);
  cell.recover();
  REQUIRE_FALSE(cell.resync("a")->why);
  REQUIRE_FALSE(cell.resync("b")->why);
  CHECK(cell.facts().placement.lost().empty());
  cell.check_clean();
}
