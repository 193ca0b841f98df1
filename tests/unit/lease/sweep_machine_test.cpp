// SPDX-License-Identifier: Apache-2.0
#include "core/lease/sweep_machine.hpp"
#include "tests/unit/lease/fake_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Two replicas an extent, a is primary; c still has copies that no map names.
struct littered_cell : fake_cell {
  littered_cell() : fake_cell(2) {
    REQUIRE_FALSE(flip("a")->why);
    for (std::uint32_t e = 0; e < shape.extents(); ++e) {
      REQUIRE(hosts.write(e, 1));
      if (!facts().placement.holds("c", e))
        orphans.push_back(e);
    }
    REQUIRE(orphans.size() > 1);
    for (auto e : orphans) {
      hosts.at("c").data[e] = 7;
      hosts.at("c").replicas.insert(e);
    }
  }

  std::optional<lease::finish> sweep(const std::string& host) {
    lease::sweep_machine uut{{shape.id, host}};
    return drive(uut);
  }

  std::vector<std::uint32_t> orphans;
};

} // namespace

TEST_CASE("copies that nothing names are freed, everything else stays") {
  littered_cell cell;
  for (auto name : {"a", "b"})
    CHECK(cell.sweep(name)->bytes == 0);
  auto end = cell.sweep("c");
  CHECK_FALSE(end->why);
  CHECK(end->bytes == cell.orphans.size() * cell.shape.extent_bytes);
  cell.check_clean();
}

TEST_CASE("copies of a lost replica and of a move being made are not orphans") {
  fake_cell cell{2};
  REQUIRE_FALSE(cell.flip("a")->why);
  for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
    REQUIRE(cell.hosts.write(e, 1));
  cell.hosts.at("b").up = false;
  REQUIRE_FALSE(cell.lose("b")->why);
  cell.hosts.at("b").up = true;
  lease::sweep_machine lost{{cell.shape.id, "b"}};
  CHECK(cell.drive(lost)->bytes == 0);
  std::vector<std::uint32_t> extents;
  for (auto extent : cell.facts().placement.in_sync("a"))
    if (!cell.facts().placement.holds("c", extent))
      extents.push_back(extent);
  bool swept = false;
  cell.on_action = [&](const lease::action& next) {
    auto* send = std::get_if<lease::send>(&next);
    if (swept || !send || send->request.type != packet<schema::PlaneVerify>::type_id)
      return;
    swept = true;
    lease::sweep_machine during{{cell.shape.id, "c"}};
    CHECK(cell.drive(during)->bytes == 0);
  };
  REQUIRE_FALSE(cell.move("a", "c", extents)->why);
  CHECK(swept);
}

TEST_CASE("sweeping survives any one trouble at any step and frees only orphans") {
  littered_cell calm;
  auto begin = calm.actions;
  REQUIRE_FALSE(calm.sweep("c")->why);
  auto end = calm.actions;
  for (auto at = begin; at < end; ++at)
    for (auto what : troubles) {
      littered_cell cell;
      cell.plan[at] = what;
      (void)cell.sweep("c");
      cell.plan.clear();
      REQUIRE_FALSE(cell.sweep("c")->why);
      cell.check_clean();
    }
}
