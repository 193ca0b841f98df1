// SPDX-License-Identifier: Apache-2.0
#include "core/volume/placement.hpp"

#include "core/base/units.hpp"
#include "core/volume/roaring_codec.hpp"
#include "tests/support/shapes.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <set>

using namespace foreshift;

namespace {

using test::make_shape;
using extents = std::vector<std::uint32_t>;

extents run(std::uint32_t first, std::uint32_t count) {
  extents out;
  for (std::uint32_t i = 0; i < count; ++i)
    out.push_back(first + i);
  return out;
}

/// True when `act` ends the process by SIGABRT.
template <class Act>
bool aborts(Act act) {
  auto child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr)
      _exit(1);
    act();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/// The definition, written down naively: a set of hosts for every extent.
struct model {
  std::vector<std::set<std::string>> replicas;
  std::vector<std::set<std::string>> retiring;

  explicit model(const volume_shape& shape) : retiring(shape.extents()) {
    for (std::uint32_t e = 0; e < shape.extents(); ++e) {
      auto home = home_of(shape, e);
      replicas.emplace_back(home.begin(), home.end());
    }
  }
};

host_set sorted(const std::set<std::string>& hosts) {
  return {hosts.begin(), hosts.end()};
}

void check_against(const placement_map& map, const model& want) {
  std::map<host_set, std::set<std::uint32_t>> exceptions;
  std::map<host_set, std::set<std::uint32_t>> retiring;
  extents surplus;
  for (std::uint32_t e = 0; e < map.shape().extents(); ++e) {
    auto hosts = sorted(want.replicas[e]);
    REQUIRE(map.replicas(e) == hosts);
    if (hosts != home_of(map.shape(), e))
      exceptions[hosts].insert(e);
    if (!want.retiring[e].empty())
      retiring[sorted(want.retiring[e])].insert(e);
    if (hosts.size() > map.shape().replicas)
      surplus.push_back(e);
  }
  auto same = [](const auto& bitmaps, const auto& sets) {
    REQUIRE(bitmaps.size() == sets.size());
    auto at = sets.begin();
    for (const auto& [hosts, bitmap] : bitmaps) {
      CHECK(hosts == at->first);
      CHECK(std::equal(bitmap.begin(), bitmap.end(), at->second.begin(), at->second.end()));
      ++at;
    }
  };
  same(map.exceptions(), exceptions);
  same(map.retiring(), retiring);
  extents got;
  for (const auto& [extent, hosts] : map.surplus()) {
    CHECK(hosts == map.replicas(extent));
    got.push_back(extent);
  }
  CHECK(got == surplus);
}

std::size_t encoded_bytes(const placement_map& map) {
  return map.encode().bytes().size();
}

} // namespace

TEST_CASE("placement: an untouched volume is at home and costs bytes") {
  placement_map map{make_shape(100 * gib, 2, {"host-a", "host-b", "host-c"})};
  CHECK(map.version() == 1);
  for (std::uint32_t e : {0u, 63u, 64u, 102399u}) {
    CHECK(map.replicas(e) == home_of(map.shape(), e));
    CHECK(map.replicas(e).size() == 2);
  }
  CHECK(map.surplus().empty());
  CHECK(map.hosts_to_seal() == host_set{"host-a", "host-b", "host-c"});
  CHECK(encoded_bytes(map) <= 56);
}

TEST_CASE("placement: home hosts are pinned by the documented hash") {
  // Written down from the first release: existing volumes would lose their data if these moved.
  auto shape = make_shape(gib, 1, {"host-a", "host-b", "host-c"});
  std::string homes;
  for (std::uint32_t partition = 0; partition < 16; ++partition)
    homes += home_of(shape, partition * 64).front().back();
  CHECK(homes == "abacacbbcbaacaaa");
  shape.homes = {"host-c", "host-a", "host-b"};
  std::string reordered;
  for (std::uint32_t partition = 0; partition < 16; ++partition)
    reordered += home_of(shape, partition * 64).front().back();
  CHECK(reordered == homes);
  CHECK(home_of(shape, 64) == home_of(shape, 127));
}

TEST_CASE("placement: rendezvous spreads partitions evenly") {
  const std::vector<std::string> hosts{"a", "b", "c", "d", "e", "f", "g", "h"};
  for (std::uint32_t replicas : {1u, 2u, 3u}) {
    auto shape = make_shape(512 * gib, replicas, hosts);
    std::map<std::string, double> held;
    for (std::uint32_t e = 0; e < shape.extents(); e += 64)
      for (const auto& host : home_of(shape, e))
        held[host] += 1;
    double expected = 8192.0 * replicas / 8;
    double chi_square = 0;
    for (const auto& host : hosts)
      chi_square += (held[host] - expected) * (held[host] - expected) / expected;
    CHECK(chi_square < 24.3); // 7 degrees of freedom, p = 0.001
  }
}

TEST_CASE("placement: one more host takes over only its own share") {
  auto before = make_shape(512 * gib, 1, {"a", "b", "c", "d"});
  auto after = before;
  after.homes.push_back("e");
  int moved = 0;
  for (std::uint32_t e = 0; e < before.extents(); e += 64) {
    auto was = home_of(before, e);
    auto is = home_of(after, e);
    if (was != is) {
      CHECK(is == host_set{"e"});
      ++moved;
    }
  }
  CHECK(moved > 8192 / 5 * 0.9);
  CHECK(moved < 8192 / 5 * 1.1);
}

TEST_CASE("placement: any history of changes equals the naive model, and decodes to itself") {
  const std::vector<std::string> hosts{"host-a", "host-b", "host-c", "host-d", "host-e"};
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    auto replicas = static_cast<std::uint32_t>(1 + random() % 3);
    auto shape = make_shape(700 * mib + 4096, replicas, {"host-a", "host-b", "host-c"});
    placement_map map{shape};
    model want{shape};
    for (std::uint64_t step = 1; step <= 60; ++step) {
      const auto& host = hosts[random() % hosts.size()];
      auto first = static_cast<std::uint32_t>(random() % shape.extents());
      auto batch = run(first, std::min<std::uint32_t>(1 + random() % 90, shape.extents() - first));
      switch (random() % 3) {
      case 0:
        for (auto e : batch) {
          want.replicas[e].insert(host);
          want.retiring[e].erase(host);
        }
        map = map.with_replica(host, batch);
        break;
      case 1:
        std::erase_if(batch, [&](auto e) {
          return want.replicas[e].count(host) != 0 && want.replicas[e].size() <= replicas;
        });
        for (auto e : batch)
          if (want.replicas[e].erase(host) != 0)
            want.retiring[e].insert(host);
        map = map.without_replica(host, batch);
        break;
      default:
        for (auto e : batch)
          want.retiring[e].erase(host);
        map = map.without_retiring(host, batch);
      }
      REQUIRE(map.version() == step + 1);
    }
    check_against(map, want);
    auto back = placement_map::decode(shape, map.encode().read());
    REQUIRE(back);
    CHECK(*back == map);
    CHECK(back->encode() == map.encode());
  }
}

TEST_CASE("placement: versions are values, and the same placement by another road is equal") {
  placement_map first{make_shape(gib, 1, {"host-a", "host-b"})};
  auto batch = run(100, 300);
  auto there = first.with_replica("host-x", batch);
  CHECK(first.exceptions().empty());
  CHECK(there.holds("host-x", 100));
  CHECK_FALSE(there.holds("host-x", 99));
  auto again = first;
  for (auto e : batch)
    again = again.with_replica("host-x", {&e, 1});
  CHECK_FALSE(again == there); // a later version
  CHECK(again.exceptions() == there.exceptions());
  auto home = there.without_replica("host-x", batch).without_retiring("host-x", batch);
  CHECK(home.exceptions().empty());
  CHECK(home.retiring().empty());
  CHECK(home.version() == 4);
}

TEST_CASE("placement: a flip seals homes, exceptions and hosts that still retire") {
  placement_map map{make_shape(gib, 1, {"host-a", "host-b"})};
  const extents one{5};
  auto moved = map.with_replica("host-x", one).with_replica("host-y", one);
  CHECK(moved.hosts_to_seal() == host_set{"host-a", "host-b", "host-x", "host-y"});
  auto retiring = moved.without_replica("host-x", one);
  CHECK(retiring.hosts_to_seal() == host_set{"host-a", "host-b", "host-x", "host-y"});
  auto retired = retiring.without_retiring("host-x", one);
  CHECK(retired.hosts_to_seal() == host_set{"host-a", "host-b", "host-y"});
}

TEST_CASE("placement: a fresh copy drops the note that an older one is retiring") {
  placement_map map{make_shape(gib, 1, {"host-a"})};
  const extents one{5};
  auto retiring = map.with_replica("host-x", one).without_replica("host-x", one);
  REQUIRE(retiring.retiring().size() == 1);
  CHECK(retiring.with_replica("host-x", one).retiring().empty());
}

TEST_CASE("placement: falling below the replication factor is a bug and aborts (I5)") {
  placement_map map{make_shape(gib, 2, {"host-a", "host-b"})};
  const extents one{5};
  CHECK(aborts([&] { (void)map.without_replica("host-a", one); }));
  CHECK(aborts([&] { (void)map.replicas(1024); }));
  auto wide = map.with_replica("host-x", one);
  CHECK_FALSE(aborts([&] { (void)wide.without_replica("host-a", one); }));
  auto away = *wide.with_lost("host-b"); // as before the move to host-x, which is withdrawn
  CHECK_FALSE(aborts([&] { (void)away.without_replica("host-x", one); }));
  CHECK(aborts([&] { (void)away.without_replica("host-x", one).without_replica("host-a", one); }));
}

TEST_CASE("placement: 5 % of a 100 GiB volume, moved in clusters, encodes below 200 bytes") {
  placement_map map{make_shape(100 * gib, 1, {"host-a", "host-b", "host-c"})};
  extents hot;
  for (std::uint32_t cluster = 0; cluster < 8; ++cluster) {
    auto part = run(cluster * 12'345 + 777, 640);
    hot.insert(hot.end(), part.begin(), part.end());
  }
  REQUIRE(hot.size() * mib == 100 * gib / 20);
  map = map.with_replica("host-d", hot);
  for (const auto* host : {"host-a", "host-b", "host-c"})
    map = map.without_replica(host, hot).without_retiring(host, hot);
  for (auto e : hot)
    REQUIRE(map.replicas(e) == host_set{"host-d"});
  MESSAGE("encoded bytes: " << encoded_bytes(map));
  CHECK(encoded_bytes(map) < 200);
}

TEST_CASE("placement: 64 TiB work like one extent") {
  placement_map map{make_shape(64 * tib, 3, {"a", "b", "c", "d", "e"})};
  const extents last{map.shape().extents() - 1};
  auto moved = map.with_replica("x", last);
  CHECK(moved.holds("x", last.front()));
  CHECK(moved.surplus().size() == 1);
  placement_map tiny{make_shape(mib, 1, {"a"})};
  CHECK(tiny.replicas(0) == host_set{"a"});
}

TEST_CASE("placement: what is not a placement of this volume is refused") {
  auto shape = make_shape(gib, 1, {"host-a", "host-b"});
  const extents some{1, 2, 3};
  auto good = placement_map{shape}.with_replica("host-x", some).encode();
  auto refused = [&](auto spoil) {
    capnp::MallocMessageBuilder message;
    message.setRoot(good.read());
    spoil(message.getRoot<schema::Placement>());
    auto got = placement_map::decode(shape, message.getRoot<schema::Placement>().asReader());
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::malformed);
    CHECK_FALSE(got.error().detail.empty());
  };
  auto put = [](auto item, const roaring::Roaring& set) {
    auto bytes = encode_roaring(set);
    item.setExtents(kj::arrayPtr(bytes.data(), bytes.size()));
  };
  refused([](auto x) { x.setVolume(8); });
  refused([](auto x) { x.setVersion(0); });
  refused([](auto x) { x.getExceptions()[0].getHosts().set(0, "host-z"); });
  refused([](auto x) { x.getExceptions()[0].getHosts().set(0, "host-x"); });
  refused([](auto x) { x.getExceptions()[0].getHosts().set(0, "Host A"); });
  refused([](auto x) { x.getExceptions()[0].initHosts(0); });
  refused([](auto x) { x.getExceptions()[0].initExtents(5); });
  refused([&](auto x) { put(x.getExceptions()[0], {}); });
  refused([&](auto x) { put(x.getExceptions()[0], roaring::Roaring::bitmapOf(1, 1024)); });
  refused([&](auto x) { // an exception to its own home
    auto hosts = x.getExceptions()[0].initHosts(1);
    hosts.set(0, home_of(shape, 2).front().c_str());
  });
  refused([&](auto x) { // two sets claim extent 2
    auto sets = x.initRetiring(2);
    sets[0].initHosts(1).set(0, "host-x");
    put(sets[0], roaring::Roaring::bitmapOf(2, 1, 2));
    sets[1].initHosts(1).set(0, "host-y");
    put(sets[1], roaring::Roaring::bitmapOf(1, 2));
  });
}

TEST_CASE("placement: a shape is checked with a sentence and survives its packet") {
  auto good = make_shape(gib, 2, {"host-a", "host-b"});
  REQUIRE(check_shape(good));
  auto spec = packet<schema::VolumeSpec>::make([&](auto root) { encode_shape(good, root); });
  CHECK(decode_shape(spec.read()) == good);
  auto bad = [&](auto spoil) {
    auto shape = good;
    spoil(shape);
    auto got = check_shape(shape);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::invalid);
  };
  bad([](auto& x) { x.name = ""; });
  bad([](auto& x) { x.name = "Db"; });
  bad([](auto& x) { x.name = "../etc"; });
  bad([](auto& x) { x.name = std::string(64, 'a'); });
  bad([](auto& x) { x.size_bytes = 0; });
  bad([](auto& x) { x.size_bytes = mib - 4096; });
  bad([](auto& x) { x.size_bytes = gib + 512; });
  bad([](auto& x) { x.size_bytes = 64 * tib + 4096; });
  bad([](auto& x) { x.extent_bytes = 3 * mib; });
  bad([](auto& x) { x.extent_bytes = 4096; });
  bad([](auto& x) { x.extent_bytes = 128 * mib; });
  bad([](auto& x) { x.partition_bytes = mib / 2; });
  bad([](auto& x) { x.partition_bytes = 0; });
  bad([](auto& x) { x.replicas = 0; });
  bad([](auto& x) { x.replicas = 3; });
  bad([](auto& x) { x.homes = {"host-a", "host-a"}; });
  bad([](auto& x) { x.homes = {"a:b", "host-b"}; });
  bad([](auto& x) { x.homes.clear(); });
}
