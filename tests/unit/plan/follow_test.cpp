// SPDX-License-Identifier: Apache-2.0
#include "core/plan/follow.hpp"

#include "core/base/units.hpp"
#include "tests/support/shapes.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace foreshift;

namespace {

/// A volume of 128 extents at home at a, attached at c.
struct scene {
  placement_map map{test::make_shape(128 * mib, 1, {"host-a"})};
  forecast expected;
  std::vector<host_view> hosts{3};
  follow_request request;

  scene() {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      hosts[i].name = "host-" + std::string(1, static_cast<char>('a' + i));
      hosts[i].total_bytes = hosts[i].free_bytes = 100 * gib;
    }
    for (std::uint32_t e = 0; e < 8; ++e)
      heat(e, 100 - static_cast<float>(e));
    request.plan.to = "host-c";
    request.plan.gain_min = 4;
    request.plan.budget_bytes = 16 * mib;
    request.fresh = true;
    request.trickle = true;
  }
  void heat(std::uint32_t extent, float reads) {
    expected.extents.push_back({extent, reads, 0, 4096});
    expected.total_reads += reads;
  }
  std::vector<std::uint32_t> next() {
    volume_view view{&map, &expected, "host-c", ""};
    std::vector<std::uint32_t> out;
    for (auto& move : follow(view, hosts, request).moves) {
      CHECK(move.to == "host-c");
      out.insert(out.end(), move.extents.begin(), move.extents.end());
    }
    return out;
  }
  void arrive(const std::vector<std::uint32_t>& extents) {
    map = map.with_replica("host-c", extents);
  }
};

using list = std::vector<std::uint32_t>;

} // namespace

TEST_CASE("what clients missed jumps the queue, the latest first; then the expected, best first") {
  scene x;
  x.request.missed = {90, 70, 3};
  CHECK(x.next() == list{90, 70, 3, 0, 1, 2, 4, 5, 6, 7});
  x.arrive({90, 70});
  CHECK(x.next() == list{3, 0, 1, 2, 4, 5, 6, 7});
}

TEST_CASE("long after a flip a miss counts only if it is expected to be used again") {
  scene x;
  x.request.fresh = false;
  x.heat(60, 1); // colder than what pays
  x.request.missed = {90, 60, 5};
  CHECK(x.next() == list{5, 0, 1, 2, 3, 4, 6, 7});
}

TEST_CASE("a round is as large as its budget, misses included") {
  scene x;
  x.request.missed = {90, 91, 92};
  x.request.plan.budget_bytes = 4 * mib;
  CHECK(x.next() == list{90, 91, 92, 0});
  x.request.plan.budget_bytes = 2 * mib;
  CHECK(x.next() == list{90, 91});
}

TEST_CASE("the rest follows only by the rule for it, when nothing better is left and it may") {
  scene x;
  x.arrive({0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(x.next().empty());
  x.request.rule = follow_rule::ALL;
  x.request.trickle = false;
  CHECK(x.next().empty());
  x.request.trickle = true;
  auto rest = x.next();
  REQUIRE(rest.size() == 16);
  CHECK(rest.front() == 8);
  CHECK(rest.back() == 23);
  x.request.missed = {100};
  CHECK(x.next() == list{100});
}

TEST_CASE("by the rule none nothing follows") {
  scene x;
  x.request.rule = follow_rule::NONE;
  x.request.missed = {90};
  CHECK(x.next().empty());
}

TEST_CASE("without a forecast misses are fetched and the rest trickles") {
  scene x;
  x.expected = {};
  x.request.rule = follow_rule::ALL;
  x.request.missed = {5};
  CHECK(x.next() == list{5});
  x.request.missed.clear();
  CHECK(x.next().size() == 16);
}

TEST_CASE("a full host gets nothing") {
  scene x;
  x.hosts[2].free_bytes = mib;
  x.request.missed = {90, 91};
  CHECK(x.next() == list{90});
}
