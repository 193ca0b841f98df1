// SPDX-License-Identifier: Apache-2.0
// The implicit flip: a client's write at the destination asks, and the source yields or not.
#include "tests/unit/lease/fake_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct yielding_cell : fake_cell {
  explicit yielding_cell(int busy_answers) {
    REQUIRE_FALSE(flip("a")->why);
    hosts.at("a").busy_answers = busy_answers;
  }
  void expect_at(const std::string& host, std::uint64_t epoch) {
    auto now = facts().lease;
    CHECK(now.holder == host);
    CHECK(now.held_epoch == epoch);
    check_clean();
  }
};

} // namespace

TEST_CASE("a source whose clients have stopped yields at once") {
  yielding_cell cell{0};
  auto end = cell.implicit_flip("c");
  REQUIRE(end);
  CHECK_FALSE(end->why);
  cell.expect_at("c", 2);
}

TEST_CASE("a source whose clients still send requests is asked again, and serves meanwhile") {
  yielding_cell cell{3};
  int takeovers = 0;
  cell.on_action = [&](const lease::action& next) {
    auto* sent = std::get_if<lease::send>(&next);
    if (!sent || sent->request.type != packet<schema::PlaneTakeover>::type_id)
      return;
    ++takeovers;
    CHECK(cell.hosts.at("a").state == schema::LeaseState::PRIMARY);
  };
  auto end = cell.implicit_flip("c");
  REQUIRE(end);
  CHECK_FALSE(end->why);
  CHECK(takeovers == 4);
  cell.expect_at("c", 2);
}

TEST_CASE("a source that never yields keeps its lease at its epoch") {
  yielding_cell cell{100'000};
  auto end = cell.implicit_flip("c");
  REQUIRE(end);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::busy);
  CHECK(cell.hosts.at("c").state == schema::LeaseState::NONE);
  cell.expect_at("a", 1);
  cell.hosts.at("a").busy_answers = 0;
  CHECK_FALSE(cell.implicit_flip("c")->why);
  cell.expect_at("c", 3);
}

TEST_CASE("busy is no excuse for a source that was not asked to yield") {
  yielding_cell cell{1};
  CHECK_FALSE(cell.flip("c")->why);
  cell.expect_at("c", 2);
}

TEST_CASE(
    "an implicit flip survives any one trouble at any step, whether the source yields or not") {
  for (int answers : {0, 2, 100'000}) {
    yielding_cell calm{answers};
    auto begin = calm.actions;
    REQUIRE(calm.implicit_flip("c"));
    auto end = std::min(calm.actions, begin + 40); // a source that never yields repeats itself
    for (auto at = begin; at < end; ++at)
      for (auto what : troubles) {
        CAPTURE(answers);
        CAPTURE(at);
        CAPTURE(static_cast<int>(what));
        yielding_cell cell{answers};
        cell.plan[at] = what;
        (void)cell.implicit_flip("c");
        cell.recover();
        cell.check_clean();
      }
  }
}

TEST_CASE("a cancel while the source will not yield ends the flip with the source serving") {
  yielding_cell cell{100'000};
  cell.cancel_at = cell.actions + 12;
  auto end = cell.implicit_flip("c");
  REQUIRE(end);
  REQUIRE(end->why);
  CHECK(end->why->code == errc::canceled);
  cell.expect_at("a", 1);
}
