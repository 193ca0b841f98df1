// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lease/fake_cell.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

using namespace foreshift;
using namespace foreshift::test;

namespace {

std::vector<std::uint32_t> extents_at(fake_cell& cell, const std::string& host) {
  auto& set = cell.hosts.at(host).replicas;
  return {set.begin(), set.end()};
}

void attached(fake_cell& cell) {
  REQUIRE_FALSE(cell.flip("a")->why);
}
void detached(fake_cell&) {}

/// A home host with extents of its own.
std::string source_of(fake_cell& cell) {
  return extents_at(cell, "a").empty() ? "b" : "a";
}

std::optional<lease::finish> move_to_c(fake_cell& cell) {
  auto from = source_of(cell);
  return cell.move(from, "c", extents_at(cell, from));
}

void with_surplus(fake_cell& cell) {
  attached(cell);
  REQUIRE_FALSE(move_to_c(cell)->why);
}

template <class Scenario>
int survives_everything(void (*setup)(fake_cell&), Scenario scenario) {
  fake_cell calm;
  setup(calm);
  auto begin = calm.actions;
  REQUIRE_FALSE(scenario(calm)->why);
  calm.check_clean();
  auto end = calm.actions;
  for (auto at = begin; at < end; ++at)
    for (auto what : troubles) {
      CAPTURE(at);
      CAPTURE(static_cast<int>(what));
      fake_cell cell;
      setup(cell);
      cell.plan[at] = what;
      auto outcome = scenario(cell);
      if (outcome && !outcome->why && setup != with_surplus)
        CHECK(cell.facts().placement.holds("c", extents_at(cell, source_of(cell)).front()));
      cell.recover();
      cell.check_clean();
    }
  return (end - begin) * 5;
}

} // namespace

TEST_CASE("a move adds the destination and takes nothing away") {
  fake_cell cell;
  attached(cell);
  auto from = source_of(cell);
  auto extents = extents_at(cell, from);
  auto end = cell.move(from, "c", extents);
  REQUIRE(end);
  CHECK_FALSE(end->why);
  CHECK(end->bytes == extents.size() * cell.shape.extent_bytes);
  for (auto extent : extents) {
    CHECK(cell.facts().placement.holds(from, extent));
    CHECK(cell.facts().placement.holds("c", extent));
  }
  cell.check_clean();
}

TEST_CASE("a move of an attached volume survives any one trouble at any step") {
  CHECK(survives_everything(attached, move_to_c) > 60);
}

TEST_CASE("a move of a detached volume survives any one trouble at any step") {
  CHECK(survives_everything(detached, move_to_c) > 40);
}

TEST_CASE("retiring a surplus survives any one trouble at any step") {
  auto retire = [](fake_cell& cell) {
    auto from = source_of(cell);
    return cell.retire(from, extents_at(cell, from));
  };
  CHECK(survives_everything(with_surplus, retire) > 20);
}

TEST_CASE("retiring never goes below the replication factor") {
  fake_cell cell;
  attached(cell);
  auto from = source_of(cell);
  auto before = extents_at(cell, from);
  CHECK_FALSE(cell.retire(from, before)->why);
  CHECK(extents_at(cell, from) == before);
  cell.check_clean();
}

TEST_CASE("a replica is not given up while nobody is sure of the other one") {
  fake_cell cell;
  with_surplus(cell);
  auto from = source_of(cell);
  auto extents = extents_at(cell, from);
  SUBCASE("it has failed") {
    cell.hosts.at("c").failed = "cannot sync";
  }
  SUBCASE("its machine restarted") {
    cell.hosts.at("c").doubt = 1;
  }
  SUBCASE("it does not answer") {
    cell.hosts.at("c").up = false;
  }
  auto end = cell.retire(from, extents);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::precondition);
  CHECK(extents_at(cell, from) == extents);
  CHECK(cell.facts().placement.retiring().empty());
}

TEST_CASE("a move canceled at any step leaves the old placement or the new one") {
  fake_cell calm;
  attached(calm);
  auto begin = calm.actions;
  (void)move_to_c(calm);
  auto end = calm.actions;
  for (auto at = begin; at < end; ++at) {
    CAPTURE(at);
    fake_cell cell;
    attached(cell);
    cell.cancel_at = at;
    (void)move_to_c(cell);
    cell.check_clean();
  }
}

TEST_CASE("a flip that comes between the copy and its transaction makes the move abort") {
  std::function<bool(const lease::action&)> there;
  SUBCASE("before the checksums are compared") {
    there = [](const lease::action& next) {
      auto* send = std::get_if<lease::send>(&next);
      return send && send->request.type == packet<schema::PlaneVerify>::type_id;
    };
  }
  SUBCASE("right before the transaction, which then fails") {
    there = [](const lease::action& next) {
      auto* commit = std::get_if<lease::commit>(&next);
      return commit && commit->ops.front().key.starts_with("placements/");
    };
  }
  fake_cell cell;
  attached(cell);
  bool flipped = false;
  cell.on_action = [&](const lease::action& next) {
    if (flipped || !there(next))
      return;
    flipped = true;
    CHECK_FALSE(cell.flip("b")->why);
  };
  auto end = move_to_c(cell);
  CHECK(flipped);
  REQUIRE(end->why);
  CHECK(cell.facts().placement.version() == 1);
  cell.recover();
  cell.check_clean();
}

TEST_CASE("a move whose source is retired before the transaction aborts") {
  fake_cell cell;
  with_surplus(cell);
  auto from = source_of(cell);
  auto extents = extents_at(cell, from);
  auto before = cell.facts().placement.version();
  bool retired = false;
  cell.on_action = [&](const lease::action& next) {
    auto* commit = std::get_if<lease::commit>(&next);
    if (retired || !commit || !commit->ops.front().key.starts_with("placements/"))
      return;
    retired = true;
    CHECK_FALSE(cell.retire(from, extents)->why);
  };
  auto end = cell.move(from, from == "a" ? "b" : "a", extents);
  CHECK(retired);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::precondition);
  CHECK(cell.facts().placement.version() > before);
  for (auto extent : extents)
    CHECK(cell.facts().placement.replicas(extent) == host_set{"c"});
  cell.recover();
  cell.check_clean();
}

TEST_CASE("a lost checksum agreement is never committed") {
  fake_cell calm;
  attached(calm);
  int verify = -1;
  calm.on_action = [&](const lease::action& next) {
    auto* send = std::get_if<lease::send>(&next);
    if (send && send->request.type == packet<schema::PlaneVerify>::type_id)
      verify = calm.actions - 1;
  };
  (void)move_to_c(calm);
  REQUIRE(verify > 0);
  fake_cell cell;
  attached(cell);
  cell.plan[verify] = trouble::failure;
  CHECK(move_to_c(cell)->why);
  CHECK(cell.hosts.at("c").replicas.empty());
  CHECK(cell.facts().placement.version() == 1);
  cell.check_clean();
}
