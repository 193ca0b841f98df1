// SPDX-License-Identifier: Apache-2.0
#include "core/lease/repair.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::lease;

namespace {

placement_map make_map(std::uint32_t replicas = 2) {
  volume_shape shape;
  shape.id = 3;
  shape.name = "vol3";
  shape.size_bytes = 512u << 20;
  shape.partition_bytes = 4u << 20;
  shape.replicas = replicas;
  shape.homes = {"a", "b", "c"};
  return placement_map{shape};
}

replica_hosts hosts_up() {
  replica_hosts out;
  for (auto name : {"a", "b", "c", "d"})
    out[name] = {"", true, false, 1u << 30};
  return out;
}

roaring::Roaring range(std::uint32_t first, std::uint32_t end) {
  roaring::Roaring out;
  out.addRange(first, end);
  return out;
}

} // namespace

TEST_CASE("every extent is in exactly one replica set, moved ones included") {
  auto map = make_map();
  auto held = to_vector(map.in_sync("a"));
  held.resize(5);
  map = map.with_replica("d", held);
  roaring::Roaring all;
  std::uint64_t count = 0;
  for (auto& [hosts, extents] : replica_sets(map)) {
    for (auto extent : extents)
      CHECK(map.replicas(extent) == hosts);
    all |= extents;
    count += extents.cardinality();
  }
  CHECK(all == range(0, 512));
  CHECK(count == 512);
}

TEST_CASE("what only some hosts hold is what is out of reach without them") {
  auto map = make_map();
  CHECK(held_only_by(map, {"a"}).isEmpty());
  auto both = held_only_by(map, {"a", "b"});
  CHECK(both == (map.in_sync("a") & map.in_sync("b")));
  CHECK_FALSE(both.isEmpty());
  auto without = map.with_lost("b");
  REQUIRE(without);
  CHECK(held_only_by(*without, {"a"}) == both);
}

TEST_CASE("stopping a host blocks what only it has, and degrades the rest of what it has") {
  auto map = make_map();
  auto calm = effect_of_stopping(map, "a", "b");
  CHECK_FALSE(calm.attached);
  CHECK(calm.blocked == 0);
  CHECK(calm.degraded == map.in_sync("b").cardinality());
  auto worse = effect_of_stopping(*map.with_lost("b"), "a", "a");
  CHECK(worse.attached);
  CHECK(worse.blocked == (map.in_sync("a") & map.in_sync("b")).cardinality());
  auto nothing = effect_of_stopping(map, "a", "d");
  CHECK(nothing.blocked + nothing.degraded == 0);
}

TEST_CASE("incomplete notes count as changed unless somebody else's are complete") {
  auto map = *make_map().with_lost("b");
  auto lost = map.lost().at("b").extents;
  auto all_known = changed_of(map, lost, {{"a", range(0, 3)}, {"c", range(3, 6)}});
  CHECK(all_known == (lost & range(0, 6)));
  auto one_known = changed_of(map, lost, {{"a", range(0, 3)}, {"c", std::nullopt}});
  CHECK(one_known == (lost & (range(0, 3) | (lost - map.in_sync("a")))));
  CHECK(changed_of(map, lost, {}) == lost);
}

TEST_CASE("a return brings unchanged extents in one batch, then the changed ones 64 at a time") {
  auto map = *make_map().with_lost("b");
  auto lost = map.lost().at("b").extents;
  auto changed = lost & map.in_sync("a");
  REQUIRE(changed.cardinality() > batch_busy_max);
  auto first = next_return(map, "b", changed, hosts_up());
  REQUIRE(first);
  CHECK(first->source == "c");
  CHECK(first->destination == "b");
  CHECK(first->extents == to_vector(lost - changed));
  map = map.with_replica("b", first->extents);
  auto second = next_return(map, "b", changed, hosts_up());
  REQUIRE(second);
  CHECK(second->source == "a");
  CHECK(second->extents.size() == batch_busy_max);
  auto dark = hosts_up();
  dark["a"].up = false;
  CHECK_FALSE(next_return(map, "b", changed, dark));
  CHECK_FALSE(next_return(map, "c", changed, hosts_up()));
}

TEST_CASE("replicas go to the host with most room, in another zone if there is one") {
  auto map = *make_map().with_lost("b");
  auto lost = map.lost().at("b").extents & map.in_sync("a");
  auto hosts = hosts_up();
  hosts["c"].free_bytes = 2u << 30;
  auto plain = next_elsewhere(map, lost, "b", {}, hosts);
  REQUIRE(plain);
  CHECK(plain->source == "a");
  CHECK(plain->destination == "c");
  CHECK(plain->extents == to_vector(lost));
  hosts["a"].zone = hosts["c"].zone = "rack1";
  CHECK(next_elsewhere(map, lost, "b", {}, hosts)->destination == "d");
  hosts["d"].draining = true;
  CHECK(next_elsewhere(map, lost, "b", {}, hosts)->destination == "c");
  auto busy = next_elsewhere(map, lost, "b", lost, hosts);
  CHECK(busy->extents.size() == batch_busy_max);
  hosts["c"].free_bytes = 1u << 20;
  CHECK(next_elsewhere(map, lost, "b", lost, hosts).error().code == errc::no_space);
  hosts["a"].up = false;
  CHECK(next_elsewhere(map, lost, "b", lost, hosts).error().code == errc::unreachable);
}

TEST_CASE("a host that is drained reads for itself only when nobody else can") {
  auto map = make_map(1);
  auto held = map.in_sync("a");
  auto batch = next_elsewhere(map, held, "a", held, hosts_up());
  REQUIRE(batch);
  CHECK(batch->source == "a");
  CHECK(spare_at(map, "a", held).isEmpty());
  map = map.with_replica(batch->destination, batch->extents);
  CHECK(to_vector(spare_at(map, "a", held)) == batch->extents);
}
