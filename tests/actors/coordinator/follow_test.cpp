// SPDX-License-Identifier: Apache-2.0
// What comes to a volume's new host after a flip.
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Attached at a, with a forecast; extents live at a and b. `rule` is the cell's.
struct following_cell : test_cell {
  std::vector<std::vector<std::uint32_t>> batches; ///< What was pulled, in order.

  explicit following_cell(follow_rule rule, std::uint64_t rate = 64u << 20) {
    stop();
    rules.follow = rule;
    rules.rates.cell = rate;
    start();
    for (auto host : {"a", "b", "c"})
      hello(host);
    create();
    REQUIRE(attach("a"));
    hosts.on_pull = [this](const std::vector<std::uint32_t>& extents) {
      batches.push_back(extents);
    };
  }
  std::size_t at_c() { return hosts.at("c").replicas.size(); }
  std::vector<std::uint32_t> first_pulled() const {
    return batches.empty() ? std::vector<std::uint32_t>{} : batches.front();
  }
};

} // namespace

TEST_CASE(
    "after a flip what is expected to be used follows at once, and no copy goes for a while") {
  following_cell cell{follow_rule::EXPECTED};
  cell.forecast("a");
  REQUIRE(cell.flip("c"));
  auto before = cell.facts().placement.version();
  cell.live(6);
  CHECK(cell.at_c() == 8);
  CHECK(cell.facts().placement.version() > before);
  // rules.hold is an hour: the former copies are still there.
  CHECK(cell.hosts.at("a").replicas.size() + cell.hosts.at("b").replicas.size() == 8);
  cell.check_clean();
}

TEST_CASE("what clients missed comes before what is expected") {
  following_cell cell{follow_rule::EXPECTED, 1u << 20};
  cell.forecast("a");
  cell.hosts.at("c").missed = {6, 2};
  REQUIRE(cell.flip("c"));
  cell.report_all();
  cell.live(4);
  auto first = cell.first_pulled();
  REQUIRE_FALSE(first.empty());
  CHECK((first.front() == 6 || first.front() == 2));
}

TEST_CASE("by the rule none nothing follows, and a volume's own rule counts before the cell's") {
  following_cell cell{follow_rule::NONE};
  cell.forecast("a");
  REQUIRE(cell.flip("c"));
  cell.live(8);
  CHECK(cell.at_c() == 0);
  cell.world.ask<packet<schema::VolumeInfo>>(cell.x.catalog,
                                             packet<schema::VolumeSet>::make([](auto out) {
                                               out.setName("vol1");
                                               out.setKey("follow");
                                               out.setValue("expected");
                                             }));
  cell.live(8);
  CHECK(cell.at_c() == 8);
  cell.check_clean();
}

TEST_CASE("by the rule all the rest trickles without any forecast") {
  following_cell cell{follow_rule::ALL};
  REQUIRE(cell.flip("c"));
  cell.live(10);
  CHECK(cell.at_c() == cell.shape().extents());
  cell.check_clean();
}
