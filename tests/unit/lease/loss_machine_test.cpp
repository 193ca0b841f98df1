// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lease/loss_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

TEST_CASE("a replica that cannot be reached holds writes until the map no longer names it") {
  loss_cell cell;
  auto held = cell.facts().placement.in_sync("b");
  auto version = cell.facts().placement.version();
  auto extent = cell.one_at("b");
  cell.hosts.at("b").up = false;
  CHECK_FALSE(cell.hosts.write(extent, ++cell.value));
  REQUIRE_FALSE(cell.lose("b")->why);
  CHECK(cell.hosts.write(extent, ++cell.value));
  auto map = cell.facts().placement;
  CHECK(map.version() == version + 1);
  CHECK(map.in_sync("b").isEmpty());
  CHECK(map.lost().at("b").extents == held);
  CHECK(map.lost().at("b").since == version + 1);
  for (auto name : {"a", "c"})
    CHECK(cell.hosts.at(name).notes.contains(version + 1));
  cell.check_clean();
}

TEST_CASE("leaving a host out survives any one trouble at any step") {
  auto lose = [](loss_cell& cell) {
    cell.hosts.at("b").up = false;
    return cell.lose("b");
  };
  int runs = survives_everything<loss_cell>(lose, [&](loss_cell& cell) {
    // The primary complains until it has the new map.
    REQUIRE_FALSE(cell.lose("b")->why);
    CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
    CHECK(cell.facts().placement.lost().at("b").since == 2);
  });
  CHECK(runs >= 25);
}

TEST_CASE("a host that is left out already is only told of again") {
  without_b cell;
  auto version = cell.facts().placement.version();
  cell.hosts.at("a").map = placement_map{cell.shape};
  REQUIRE_FALSE(cell.lose("b")->why);
  CHECK(cell.facts().placement.version() == version);
  CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
}

TEST_CASE("the only copy of something is never left out") {
  without_b cell;
  auto version = cell.facts().placement.version();
  cell.hosts.at("c").up = false;
  auto end = cell.lose("c");
  REQUIRE(end->why);
  CHECK(end->why->code == errc::precondition);
  CHECK(end->why->detail.find("host c has the only copy of") != std::string::npos);
  CHECK(cell.facts().placement.version() == version);
}

TEST_CASE("a complaint of an older epoch changes nothing") {
  loss_cell cell;
  REQUIRE_FALSE(cell.flip("c")->why);
  cell.hosts.at("b").up = false;
  lease::loss_machine uut{{cell.shape.id, "b", 1}};
  auto end = cell.drive(uut);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::refused);
  CHECK(cell.facts().placement.lost().empty());
}

TEST_CASE("a flip right before the removal's transaction makes that transaction fail") {
  loss_cell cell;
  bool flipped = false;
  cell.on_action = [&](const lease::action& next) {
    auto* commit = std::get_if<lease::commit>(&next);
    if (flipped || !commit || !commit->ops.front().key.starts_with("placements/"))
      return;
    flipped = true;
    CHECK_FALSE(cell.flip("c")->why);
    cell.hosts.at("b").up = false;
  };
  auto end = cell.lose("b");
  CHECK(flipped);
  REQUIRE(end->why);
  CHECK(cell.facts().placement.lost().empty());
  CHECK(cell.hosts.at("a").notes.empty());
}

TEST_CASE("a returned host gets back what it missed and nothing else is copied") {
  b_returns cell;
  auto since = cell.facts().placement.lost().at("b").since;
  REQUIRE_FALSE(cell.resync("b")->why);
  CHECK(cell.hosts.pulled_changed == 1);
  auto map = cell.facts().placement;
  CHECK(map.lost().empty());
  CHECK(map.degraded().isEmpty());
  CHECK(cell.hosts.at("b").data == [&] {
    std::map<std::uint32_t, int> want;
    for (auto extent : map.in_sync("b"))
      want[extent] = cell.hosts.acknowledged.at(extent);
    return want;
  }());
  CHECK(since > 1);
  cell.check_clean();
}

TEST_CASE("hosts without complete notes make everything count as changed") {
  b_returns cell;
  auto lost = cell.facts().placement.lost().at("b").extents.cardinality();
  for (auto name : {"a", "c"})
    cell.hosts.at(name).notes.clear();
  REQUIRE_FALSE(cell.resync("b")->why);
  CHECK(cell.hosts.pulled_changed == static_cast<int>(lost));
  cell.check_clean();
}

TEST_CASE("a return survives any one trouble at any step, with writes all the time") {
  auto resync = [](b_returns& cell) { return cell.resync("b"); };
  int runs = survives_everything<b_returns>(resync, [&](b_returns& cell) {
    for (int round = 0; round < 3 && !cell.facts().placement.lost().empty(); ++round)
      (void)cell.resync("b");
    CHECK(cell.facts().placement.lost().empty());
    CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
  });
  CHECK(runs > 100);
}

TEST_CASE("a primary that still counts the host in is told before that host's data is touched") {
  b_returns cell;
  cell.hosts.at("a").map = placement_map{cell.shape};
  REQUIRE_FALSE(cell.resync("b")->why);
  cell.check_clean();
}

TEST_CASE("a destination that dies between the map's commit and its own is left out like any") {
  loss_cell cell;
  bool died = false;
  cell.on_action = [&](const lease::action& next) {
    auto* send = std::get_if<lease::send>(&next);
    if (died || !send || send->request.type != packet<schema::PlaneCommit>::type_id)
      return;
    died = true;
    cell.hosts.at("b").up = false;
    CHECK_FALSE(cell.lose("b")->why);
  };
  std::vector<std::uint32_t> extents;
  for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
    if (!cell.facts().placement.holds("b", e))
      extents.push_back(e);
  REQUIRE_FALSE(extents.empty());
  auto end = cell.move("a", "b", extents);
  CHECK(died);
  CHECK_FALSE(end->why);
  CHECK(cell.facts().moves.empty());
  CHECK(cell.hosts.at("a").mirrored.empty());
  CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
  cell.hosts.at("b").up = true;
  cell.recover();
  REQUIRE_FALSE(cell.resync("b")->why);
  cell.check_clean();
}

namespace {

/// Writes before every action; `host` restarts at action number `at` and forgets what was staged.
void restarts_at(loss_cell& cell, const std::string& host, int at) {
  cell.on_action = [&cell, host, at](const lease::action&) {
    if (cell.actions - 1 == at) {
      cell.hosts.kill(host);
      cell.hosts.restart(host);
    }
    (void)cell.write_all();
  };
}

/// What "c" lacks of what "a" has.
std::vector<std::uint32_t> for_c(const fake_cell& cell) {
  auto map = cell.facts().placement;
  return lease::to_vector(map.in_sync("a") - map.in_sync("c"));
}

} // namespace

TEST_CASE("a move whose destination loses its copy while another replica is lost is withdrawn") {
  without_b calm;
  auto begin = calm.actions;
  REQUIRE_FALSE(calm.move("a", "c", for_c(calm))->why);
  auto end = calm.actions;
  int withdrawn = 0;
  for (auto at = begin; at < end; ++at) {
    CAPTURE(at);
    without_b cell;
    restarts_at(cell, "c", at);
    auto extents = for_c(cell);
    REQUIRE_FALSE(extents.empty());
    auto version = cell.facts().placement.version();
    (void)cell.move("a", "c", extents);
    cell.recover();
    auto map = cell.facts().placement;
    withdrawn += !map.holds("c", extents.front()) && map.version() > version + 1;
    cell.hosts.at("b").up = true;
    REQUIRE_FALSE(cell.resync("b")->why);
    CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
    cell.check_clean();
  }
  CHECK(withdrawn > 0);
}

TEST_CASE("a host that restarts while it returns is lost once more and returns again") {
  b_returns calm;
  auto begin = calm.actions;
  REQUIRE_FALSE(calm.resync("b")->why);
  auto end = calm.actions;
  int lost_again = 0;
  for (auto at = begin; at < end; ++at) {
    CAPTURE(at);
    b_returns cell;
    restarts_at(cell, "b", at);
    auto again = cell.facts().placement.version() + 1;
    (void)cell.resync("b");
    cell.recover();
    auto lost = cell.facts().placement.lost();
    lost_again += lost.contains("b") && lost.at("b").since > again;
    for (int round = 0; round < 3 && !cell.facts().placement.lost().empty(); ++round)
      (void)cell.resync("b");
    CHECK(cell.facts().placement.lost().empty());
    CHECK(cell.write_all() == static_cast<int>(cell.shape.extents()));
    cell.check_clean();
  }
  CHECK(lost_again > 0);
}

TEST_CASE("what others hold in its stead is no longer awaited from a lost host") {
  without_b cell;
  auto lost = cell.facts().placement.lost().at("b").extents;
  for (auto [from, to] : {std::pair{"a", "c"}, std::pair{"c", "a"}}) {
    std::vector<std::uint32_t> extents;
    for (auto extent : lost)
      if (cell.facts().placement.replicas(extent) == host_set{from})
        extents.push_back(extent);
    if (!extents.empty())
      REQUIRE_FALSE(cell.move(from, to, extents)->why);
  }
  auto end = cell.retire("b", lease::to_vector(lost));
  REQUIRE(end->why); // b cannot be told yet
  CHECK(cell.facts().placement.degraded().isEmpty());
  CHECK(cell.facts().placement.hosts_to_seal() == host_set{"a", "c"});
  cell.hosts.at("b").up = true;
  cell.recover();
  CHECK(cell.facts().placement.lost().empty());
  CHECK(cell.hosts.at("b").replicas.empty());
  cell.check_clean();
}

TEST_CASE("a newer map that the primary already uses does not keep a move's mirror on") {
  loss_cell cell;
  bool lost = false;
  cell.on_action = [&](const lease::action& next) {
    auto* send = std::get_if<lease::send>(&next);
    if (lost || !send || send->request.type != packet<schema::PlaneAdopt>::type_id)
      return;
    lost = true;
    CHECK_FALSE(cell.lose("b")->why);
  };
  std::vector<std::uint32_t> extents;
  for (auto extent : cell.facts().placement.in_sync("a"))
    if (!cell.facts().placement.holds("c", extent))
      extents.push_back(extent);
  CHECK_FALSE(cell.move("a", "c", extents)->why);
  CHECK(lost);
  CHECK(cell.hosts.at("a").mirrored.empty());
  REQUIRE_FALSE(cell.resync("b")->why);
  cell.check_clean();
}
