// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lease/fake_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Runs `scenario` on a fresh cell for every (action, trouble); it must end clean each time.
template <class Setup, class Scenario, class Check>
int for_every_trouble(Setup setup, Scenario scenario, Check check) {
  fake_cell calm;
  setup(calm);
  auto begin = calm.actions;
  REQUIRE(scenario(calm));
  auto end = calm.actions;
  for (auto at = begin; at < end; ++at)
    for (auto what : troubles) {
      CAPTURE(at);
      CAPTURE(static_cast<int>(what));
      fake_cell cell;
      setup(cell);
      cell.plan[at] = what;
      auto outcome = scenario(cell);
      check(cell, outcome);
      cell.recover();
      cell.check_clean();
    }
  return (end - begin) * 5;
}

void nothing(fake_cell&) {}
void attached(fake_cell& cell) {
  REQUIRE_FALSE(cell.flip("a")->why);
}

} // namespace

TEST_CASE("attach, flip and detach follow each other with growing epochs") {
  fake_cell cell;
  auto first = cell.flip("a");
  REQUIRE(first);
  CHECK_FALSE(first->why);
  CHECK(first->epoch == 1);
  CHECK(first->holder == "a");
  CHECK(first->times.total_us == 700);
  auto second = cell.flip("c");
  CHECK(second->epoch == 2);
  CHECK(second->holder == "c");
  CHECK(cell.hosts.at("a").state == schema::LeaseState::NONE);
  cell.check_clean();
  auto third = cell.flip("");
  CHECK_FALSE(third->why);
  CHECK(third->holder.empty());
  cell.check_clean();
  CHECK(cell.flip("b")->epoch == 3);
  cell.check_clean();
}

TEST_CASE("a flip to the holder, to a stranger, or of a detached volume is refused with a reason") {
  fake_cell cell;
  CHECK(cell.flip("")->why->code == errc::precondition);
  attached(cell);
  CHECK(cell.flip("a")->why->code == errc::precondition);
  CHECK(cell.flip("nowhere")->why->code == errc::not_found);
  cell.check_clean();
}

TEST_CASE("an attach survives any one trouble at any step") {
  int runs = for_every_trouble(
      nothing, [](fake_cell& x) { return x.flip("a"); }, [](fake_cell&, auto&) {});
  CHECK(runs > 40);
}

TEST_CASE(
    "a flip survives any one trouble at any step, and a failed one leaves the source serving") {
  int runs = for_every_trouble(
      attached, [](fake_cell& x) { return x.flip("c"); },
      [](fake_cell& cell, const std::optional<lease::finish>& end) {
        if (end && end->why && end->epoch > 0) {
          auto& source = cell.hosts.at("a");
          CHECK(source.state == schema::LeaseState::PRIMARY);
          CHECK(source.epoch == end->epoch);
          CHECK(end->holder == "a");
        }
      });
  CHECK(runs > 50);
}

TEST_CASE("a detach survives any one trouble at any step") {
  for_every_trouble(
      attached, [](fake_cell& x) { return x.flip(""); }, [](fake_cell&, auto&) {});
}

TEST_CASE("a flip survives any two troubles") {
  fake_cell calm;
  attached(calm);
  auto begin = calm.actions;
  REQUIRE(calm.flip("c"));
  auto end = calm.actions + 4;
  for (auto one = begin; one < end; ++one)
    for (auto two = one + 1; two < end + 8; ++two)
      for (auto first : troubles)
        for (auto second : troubles) {
          CAPTURE(one);
          CAPTURE(two);
          CAPTURE(static_cast<int>(first));
          CAPTURE(static_cast<int>(second));
          fake_cell cell;
          attached(cell);
          cell.plan[one] = first;
          cell.plan[two] = second;
          (void)cell.flip("c");
          cell.recover();
          cell.check_clean();
        }
}

TEST_CASE("a takeover that stops half-way is rolled forward to the source at a newer epoch") {
  for (int promotions : {0, 1}) {
    fake_cell cell;
    attached(cell);
    cell.hosts.promotions_left = promotions;
    auto end = cell.flip("c");
    REQUIRE(end->why);
    CHECK(end->why->code == errc::failed);
    CHECK(end->holder == "a");
    CHECK(end->epoch == 3);
    CHECK(cell.hosts.at("a").state == schema::LeaseState::PRIMARY);
    cell.check_clean();
  }
}

TEST_CASE("a dead source is left behind only by force") {
  fake_cell cell;
  std::vector<std::uint32_t> all{0, 1, 2, 3, 4, 5, 6, 7};
  REQUIRE_FALSE(cell.flip("c")->why);
  cell.hosts.at("c").up = false;
  auto unforced = cell.flip("b");
  REQUIRE(unforced->why);
  CHECK(unforced->holder == "c");
  auto forced = cell.flip("b", true);
  CHECK_FALSE(forced->why);
  CHECK(forced->holder == "b");
  CHECK(cell.hosts.at("b").state == schema::LeaseState::PRIMARY);
  cell.hosts.at("c").up = true;
  cell.recover();
  cell.check_clean();
}

TEST_CASE("a cancel before the takeover leaves the source undisturbed, a later one is too late") {
  fake_cell calm;
  attached(calm);
  auto begin = calm.actions;
  (void)calm.flip("c");
  auto end = calm.actions;
  bool stopped = false;
  bool went_on = false;
  for (auto at = begin; at < end; ++at) {
    fake_cell cell;
    attached(cell);
    cell.cancel_at = at;
    auto outcome = cell.flip("c");
    REQUIRE(outcome);
    (outcome->why ? stopped : went_on) = true;
    CHECK(outcome->holder == (outcome->why ? "a" : "c"));
    if (outcome->why)
      CHECK(cell.hosts.at("a").epoch == 1);
    cell.check_clean();
  }
  CHECK(stopped);
  CHECK(went_on);
}

TEST_CASE("a holder whose data plane restarted is promoted again at a newer epoch") {
  fake_cell cell;
  attached(cell);
  cell.hosts.at("a").state = schema::LeaseState::NONE;
  cell.hosts.at("a").epoch = 0;
  cell.recover();
  CHECK(cell.facts().lease.held_epoch == 2);
  cell.check_clean();
}

TEST_CASE("a dead replica's host is left out by a forced flip, not by any other") {
  fake_cell cell{2};
  REQUIRE_FALSE(cell.flip("a")->why);
  cell.hosts.at("b").up = false;
  auto plain = cell.flip("c");
  REQUIRE(plain->why);
  CHECK(cell.facts().placement.lost().empty());
  auto forced = cell.flip("c", true);
  CHECK_FALSE(forced->why);
  CHECK(cell.facts().placement.in_sync("b").isEmpty());
  CHECK(cell.hosts.at("c").state == schema::LeaseState::PRIMARY);
  cell.check_clean();
}

TEST_CASE("a dead source that holds replicas is left out by a forced flip") {
  fake_cell cell{2};
  REQUIRE_FALSE(cell.flip("a")->why);
  for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
    CHECK(cell.hosts.write(e, 1));
  cell.hosts.at("a").up = false;
  auto forced = cell.flip("c", true);
  REQUIRE_FALSE(forced->why);
  for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
    CHECK(cell.hosts.write(e, 2));
  cell.hosts.at("a").up = true;
  cell.recover();
  REQUIRE_FALSE(cell.resync("a")->why);
  CHECK(cell.facts().placement.lost().empty());
  cell.check_clean();
}

TEST_CASE("a forced flip says which host has the only copy, and of how much") {
  fake_cell cell;
  REQUIRE_FALSE(cell.flip("c")->why);
  cell.hosts.at("a").up = false;
  auto only = cell.facts().placement.in_sync("a").cardinality();
  auto end = cell.flip("b", true);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::precondition);
  CHECK(end->why->detail
        == "host a has the only copy of " + std::to_string(only) + " extents of volume 'vol7'");
  CHECK(end->holder == "c");
  cell.check_clean();
}

TEST_CASE("a host that dies during a flip does not keep the source from serving again") {
  fake_cell cell{2};
  REQUIRE_FALSE(cell.flip("a")->why);
  bool died = false;
  cell.on_action = [&](const lease::action& next) {
    auto* send = std::get_if<lease::send>(&next);
    if (died || !send || send->request.type != packet<schema::PlaneTakeover>::type_id)
      return;
    died = true;
    cell.hosts.at("b").up = false;
  };
  auto end = cell.flip("c");
  CHECK(died);
  REQUIRE(end->why);
  CHECK(end->holder == "a");
  CHECK(cell.hosts.at("a").state == schema::LeaseState::PRIMARY);
  CHECK(cell.facts().placement.in_sync("b").isEmpty());
  cell.check_clean();
}

TEST_CASE("a holder that a forced detach cannot drain is fenced") {
  fake_cell cell{2};
  REQUIRE_FALSE(cell.flip("a")->why);
  cell.hosts.at("a").cannot_note = true;
  auto plain = cell.flip("");
  REQUIRE(plain->why);
  CHECK(plain->holder == "a");
  REQUIRE(cell.hosts.write(0, 1));
  SUBCASE("and does not serve again after it restarted") {
    auto serving = cell.hosts.at("a");
    auto forced = cell.flip("", true);
    REQUIRE_FALSE(forced->why);
    CHECK(forced->holder.empty());
    cell.hosts.at("a").state = serving.state; // by its own records, which say nothing of the drain
    cell.hosts.at("a").epoch = serving.epoch;
    for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
      CHECK_FALSE(cell.hosts.write(e, 2));
  }
  SUBCASE("also at hosts that cannot be reached, which are left out") {
    cell.hosts.at("b").up = false;
    REQUIRE_FALSE(cell.flip("", true)->why);
    CHECK(cell.facts().placement.in_sync("b").isEmpty());
  }
  SUBCASE("or serves on, where the only copy of something is out of reach") {
    cell.hosts.at("b").up = false;
    cell.hosts.at("c").up = false;
    auto forced = cell.flip("", true);
    REQUIRE(forced->why);
    CHECK(forced->why->code == errc::precondition);
    CHECK(forced->holder == "a");
  }
}
