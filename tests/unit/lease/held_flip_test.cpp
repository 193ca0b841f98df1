// SPDX-License-Identifier: Apache-2.0
// A VM's flip: its tool says when to take over, and afterwards whether the VM runs there.
#include "tests/unit/lease/fake_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;
using lease::word;

namespace {

struct held_cell : fake_cell {
  explicit held_cell(std::map<std::string, word> told) {
    REQUIRE_FALSE(flip("a")->why);
    words = std::move(told);
  }
  std::optional<lease::finish> go() { return flip("c", false, true); }
  void expect_at(const std::string& host, std::uint64_t epoch) {
    auto now = facts().lease;
    CHECK(now.holder == host);
    CHECK(now.held_epoch == epoch);
    check_clean();
  }
};

} // namespace

TEST_CASE("a held flip takes over at the word and lets the source go at the verdict") {
  held_cell cell{{{"armed", word::go}, {"settle", word::keep}}};
  auto end = cell.go();
  REQUIRE(end);
  CHECK_FALSE(end->why);
  CHECK(end->times.total_us == 700);
  cell.expect_at("c", 2);
}

TEST_CASE("a held flip without a word leaves the source serving at its epoch") {
  held_cell cell{{}};
  auto end = cell.go();
  REQUIRE(end);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::timeout);
  cell.expect_at("a", 1);
}

TEST_CASE("a held flip whose VM did not arrive goes back to the source at a newer epoch") {
  held_cell cell{{{"armed", word::go}, {"settle", word::back}}};
  bool source_draining = false;
  cell.on_action = [&](const lease::action&) {
    if (cell.hosts.at("c").state == schema::LeaseState::PRIMARY)
      source_draining |= cell.hosts.at("a").state == schema::LeaseState::DRAINING;
  };
  auto end = cell.go();
  REQUIRE(end);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::canceled);
  CHECK(end->holder == "a");
  CHECK(source_draining); // its clients' requests are held, not failed, meanwhile
  cell.expect_at("a", 3);
}

TEST_CASE(
    "a held flip whose destination falls silent is back before its guest has waited for long") {
  held_cell cell{{{"armed", word::go}}};
  std::chrono::milliseconds waited{0};
  cell.on_action = [&](const lease::action& x) {
    auto* send = std::get_if<lease::send>(&x);
    if (send && send->request.type == packet<schema::PlaneTakeover>::type_id && send->host == "c")
      cell.hosts.at("c").up = false;
    if (send && !cell.hosts.at(send->host).up)
      waited += send->timeout;
    if (auto* rest = std::get_if<lease::pause>(&x); rest && !cell.hosts.at("c").up)
      waited += rest->span;
  };
  auto end = cell.go();
  REQUIRE(end);
  REQUIRE(end->why);
  CHECK(end->holder == "a");
  CHECK(waited <= lease::flip_request{}.timeout + std::chrono::seconds{8});
  CHECK(cell.facts().lease.holder == "a");
  CHECK(cell.hosts.at("a").state == schema::LeaseState::PRIMARY);
}

TEST_CASE("a held flip without a verdict keeps the destination, where a guest may be running") {
  held_cell cell{{{"armed", word::go}}};
  auto end = cell.go();
  REQUIRE(end);
  CHECK_FALSE(end->why);
  cell.expect_at("c", 2);
}

TEST_CASE("a cancel ends a held flip before the takeover and is no verdict after it") {
  held_cell calm{{{"armed", word::go}, {"settle", word::back}}};
  auto begin = calm.actions;
  REQUIRE(calm.go());
  bool before = false;
  bool after = false;
  for (auto at = begin; at < calm.actions; ++at) {
    CAPTURE(at);
    held_cell cell{{{"armed", word::go}, {"settle", word::back}}};
    cell.cancel_at = at;
    auto end = cell.go();
    REQUIRE(end);
    REQUIRE(end->why);
    CHECK(end->why->code == errc::canceled);
    auto epoch = cell.facts().lease.held_epoch;
    CHECK((epoch == 1 || epoch == 3));
    (epoch == 1 ? before : after) = true;
    CHECK(cell.facts().lease.holder == "a");
    cell.recover();
    cell.check_clean();
  }
  CHECK(before);
  CHECK(after);
}

TEST_CASE("a held flip survives any one trouble at any step, whatever the verdict") {
  for (auto verdict : {word::keep, word::back}) {
    std::map<std::string, word> told{{"armed", word::go}, {"settle", verdict}};
    held_cell calm{told};
    auto begin = calm.actions;
    REQUIRE(calm.go());
    for (auto at = begin; at < calm.actions; ++at)
      for (auto what : troubles) {
        CAPTURE(at);
        CAPTURE(static_cast<int>(what));
        held_cell cell{told};
        cell.plan[at] = what;
        (void)cell.go();
        cell.recover();
        cell.check_clean();
      }
  }
}
