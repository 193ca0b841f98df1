// SPDX-License-Identifier: Apache-2.0
#include "core/plan/speculation.hpp"

#include "core/base/units.hpp"
#include "tests/support/shapes.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

target named(const char* host, const char* why_not = "") {
  target out;
  out.host.name = host;
  out.why_not = why_not;
  return out;
}

using list = std::vector<std::uint32_t>;
using names = std::vector<std::string>;

/// Volume 7 of 64 extents of 1 MiB, at home and attached at a.
struct scene {
  placement_map map{test::make_shape(64 * mib, 1, {"a"})};
  speculation_ledger uut;

  void copy(const char* host, const list& extents) {
    map = map.with_replica(host, extents);
    uut.look(map, "a");
  }
  void check(std::uint64_t copied, std::uint64_t held, std::uint64_t used, std::uint64_t wasted) {
    CHECK(uut.sum().copied == copied * mib);
    CHECK(uut.sum().held() == held * mib);
    CHECK(uut.sum().used == used * mib);
    CHECK(uut.sum().wasted == wasted * mib);
  }
};

} // namespace

TEST_CASE("the likeliest targets are where a volume went most often, then the best ranked") {
  std::vector<target> ranked{named("b"), named("c"), named("d"), named("a", "it is there already")};
  CHECK(likely_targets(ranked, {}, 2) == names{"b", "c"});
  CHECK(likely_targets(ranked, {{"d", 3}, {"c", 1}}, 2) == names{"d", "c"});
  CHECK(likely_targets(ranked, {{"a", 9}, {"gone", 5}}, 9) == names{"b", "c", "d"});
  CHECK(likely_targets(ranked, {{"d", 3}}, 0).empty());
}

TEST_CASE("what was copied and used when the volume went there is no waste") {
  scene x;
  x.uut.propose(7, "b", {1, 2, 3});
  x.check(0, 0, 0, 0);
  x.copy("b", {1, 2});
  x.check(2, 2, 0, 0);
  CHECK(x.uut.held_bytes(7, "b") == 2 * mib);
  CHECK(x.uut.held_bytes(7) == 2 * mib);
  CHECK(x.uut.held(7).at("b").contains(2));
  x.uut.look(x.map, "b");
  x.check(2, 0, 2, 0);
  CHECK(x.uut.held_bytes(7) == 0);
}

TEST_CASE("what was freed before the volume went there is waste, and so is a deleted volume's") {
  scene x;
  x.uut.propose(7, "b", {1, 2});
  x.uut.propose(7, "c", {1});
  x.copy("b", {1, 2});
  x.copy("c", {1});
  x.check(3, 3, 0, 0);
  x.map = x.map.without_replica("b", list{1});
  x.uut.look(x.map, "a");
  x.check(3, 2, 0, 1);
  x.uut.look(x.map, "c"); // it goes to c: what is at b may still be used later
  x.check(3, 1, 1, 1);
  x.uut.forget(7);
  x.check(3, 0, 1, 2);
}

TEST_CASE("copies that somebody asked for are none of the ledger's") {
  scene x;
  x.copy("b", {1, 2, 3});
  x.uut.look(x.map, "b");
  x.check(0, 0, 0, 0);
}
