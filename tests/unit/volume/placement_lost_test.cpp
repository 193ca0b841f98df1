// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"
#include "core/volume/placement.hpp"
#include "core/volume/roaring_codec.hpp"
#include "tests/support/shapes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace foreshift;

namespace {

using test::make_shape;
using extents = std::vector<std::uint32_t>;
using hosts = std::set<std::string>;

extents list(const roaring::Roaring& set) {
  return {set.begin(), set.end()};
}

extents everything(const volume_shape& shape) {
  extents out;
  for (std::uint32_t e = 0; e < shape.extents(); ++e)
    out.push_back(e);
  return out;
}

/// The definition, written down naively: for every extent who holds it, retires it, has lost it.
struct model {
  struct loss {
    std::uint64_t since = 0;
    std::set<std::uint32_t> extents;
  };

  const volume_shape shape;
  std::uint64_t version = 1;
  std::vector<hosts> held, retiring;
  std::map<std::string, loss> lost;

  explicit model(const volume_shape& of) : shape(of), retiring(of.extents()) {
    for (std::uint32_t e = 0; e < shape.extents(); ++e) {
      auto home = home_of(shape, e);
      held.emplace_back(home.begin(), home.end());
    }
  }

  bool retires(const std::string& host) const {
    return std::any_of(retiring.begin(), retiring.end(), [&](auto& x) { return x.count(host); });
  }
  bool holds(const std::string& host) const {
    return std::any_of(held.begin(), held.end(), [&](auto& x) { return x.count(host); });
  }
  void tidy(const std::string& host) {
    if (lost.count(host) && lost[host].extents.empty() && !retires(host))
      lost.erase(host);
  }

  void add(const std::string& host, const extents& some) {
    ++version;
    for (auto e : some) {
      held[e].insert(host);
      retiring[e].erase(host);
      if (lost.count(host))
        lost[host].extents.erase(e);
    }
    tidy(host);
  }
  void remove(const std::string& host, const extents& some) {
    ++version;
    for (auto e : some)
      if (held[e].erase(host))
        retiring[e].insert(host);
  }
  void retired(const std::string& host, const extents& some) {
    ++version;
    for (auto e : some)
      retiring[e].erase(host);
    tidy(host);
  }
  std::size_t only_at(const std::string& host) const {
    return static_cast<std::size_t>(std::count(held.begin(), held.end(), hosts{host}));
  }
  void lose(const std::string& host) {
    ++version;
    if (!holds(host))
      return;
    auto& entry = lost[host];
    if (entry.extents.empty())
      entry.since = version;
    for (std::uint32_t e = 0; e < shape.extents(); ++e)
      if (held[e].erase(host))
        entry.extents.insert(e);
  }
  void give_up(const std::string& host, const extents& some) {
    ++version;
    for (auto e : some)
      if (lost.count(host) && lost[host].extents.erase(e))
        retiring[e].insert(host);
  }
};

void check_against(const placement_map& map, const model& want) {
  REQUIRE(map.version() == want.version);
  extents degraded;
  hosts in_sync, seal;
  for (std::uint32_t e = 0; e < want.shape.extents(); ++e) {
    REQUIRE(map.replicas(e) == host_set(want.held[e].begin(), want.held[e].end()));
    if (want.held[e].size() < want.shape.replicas)
      degraded.push_back(e);
    in_sync.insert(want.held[e].begin(), want.held[e].end());
    for (const auto& host : want.retiring[e])
      if (!want.lost.count(host))
        seal.insert(host);
  }
  seal.insert(in_sync.begin(), in_sync.end());
  CHECK(list(map.degraded()) == degraded);
  CHECK(map.hosts_in_sync() == host_set(in_sync.begin(), in_sync.end()));
  CHECK(map.hosts_to_seal() == host_set(seal.begin(), seal.end()));
  REQUIRE(map.lost().size() == want.lost.size());
  for (const auto& [host, entry] : want.lost) {
    const auto& got = map.lost().at(host);
    CHECK(got.since == entry.since);
    CHECK(list(got.extents) == extents(entry.extents.begin(), entry.extents.end()));
  }
}

} // namespace

TEST_CASE("lost replicas: any history equals the naive model, and decodes to itself") {
  const std::vector<std::string> names{"host-a", "host-b", "host-c", "host-d", "host-e"};
  std::size_t refused = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    auto replicas = static_cast<std::uint32_t>(1 + random() % 3);
    auto shape = make_shape(400 * mib + 4096, replicas, {"host-a", "host-b", "host-c"});
    placement_map map{shape};
    model want{shape};
    for (int step = 0; step < 50; ++step) {
      const auto& host = names[random() % names.size()];
      auto first = static_cast<std::uint32_t>(random() % shape.extents());
      auto count = std::min<std::uint32_t>(1 + random() % 150, shape.extents() - first);
      extents batch;
      for (std::uint32_t e = first; e < first + count; ++e)
        batch.push_back(e);
      switch (random() % 7) {
      case 0:
      case 1:
        want.add(host, batch);
        map = map.with_replica(host, batch);
        break;
      case 2:
        std::erase_if(batch, [&](auto e) {
          return want.held[e].count(host) && want.held[e].size() <= replicas;
        });
        want.remove(host, batch);
        map = map.without_replica(host, batch);
        break;
      case 3:
        want.retired(host, batch);
        map = map.without_retiring(host, batch);
        break;
      case 4:
        want.give_up(host, batch);
        map = map.without_lost(host, batch);
        break;
      default:
        auto next = map.with_lost(host);
        if (auto only = want.only_at(host); only > 0) {
          ++refused;
          REQUIRE_FALSE(next);
          CHECK(next.error().code == errc::precondition);
          CHECK(next.error().detail.find(" " + std::to_string(only) + " extents")
                != std::string::npos);
          break;
        }
        want.lose(host);
        REQUIRE(next);
        map = *next;
      }
      auto back = placement_map::decode(shape, map.encode().read());
      REQUIRE(back);
      CHECK(*back == map);
      CHECK(back->encode() == map.encode());
    }
    check_against(map, want);
  }
  CHECK(refused > 50);
}

TEST_CASE("lost replicas: a host that fails leaves nothing in sync and comes back bit by bit") {
  auto shape = make_shape(gib, 2, {"host-a", "host-b", "host-c"});
  placement_map map{shape};
  auto mine = map.in_sync("host-b");
  auto gone = *map.with_lost("host-b");
  CHECK(gone.in_sync("host-b").isEmpty());
  CHECK(gone.degraded() == mine);
  CHECK(gone.lost().at("host-b") == lost_replica{2, mine});
  CHECK(gone.hosts_to_seal() == host_set{"host-a", "host-c"});
  CHECK(gone.retiring().empty());
  auto all = list(mine);
  extents half{all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2)};
  auto partly = gone.with_replica("host-b", half);
  CHECK(partly.lost().at("host-b").since == 2);
  CHECK(partly.hosts_to_seal() == host_set{"host-a", "host-b", "host-c"});
  auto again = *partly.with_lost("host-b"); // before all was back: the older basis counts
  CHECK(again.lost() == gone.lost());
  auto back = again.with_replica("host-b", all);
  CHECK(back.lost().empty());
  CHECK(back.exceptions().empty());
  CHECK(back.degraded().isEmpty());
}

TEST_CASE("lost replicas: what others hold for good is retired without asking the host to a flip") {
  auto shape = make_shape(gib, 2, {"host-a", "host-b"});
  auto all = everything(shape);
  auto gone = *placement_map{shape}.with_lost("host-b");
  auto given_up = gone.with_replica("host-c", all).without_lost("host-b", all);
  CHECK(given_up.degraded().isEmpty());
  CHECK(given_up.lost().at("host-b").extents.isEmpty());
  CHECK(given_up.retiring().at({"host-b"}).cardinality() == all.size());
  CHECK(given_up.hosts_to_seal() == host_set{"host-a", "host-c"});
  auto clean = given_up.without_retiring("host-b", all);
  CHECK(clean.lost().empty());
  CHECK(clean.retiring().empty());
}

TEST_CASE("lost replicas: a home that gave everything away is not sealed") {
  auto shape = make_shape(gib, 1, {"host-a", "host-b"});
  auto all = everything(shape);
  auto moved = placement_map{shape}.with_replica("host-x", all);
  for (const auto* home : {"host-a", "host-b"})
    moved = moved.without_replica(home, all);
  CHECK(moved.hosts_to_seal() == host_set{"host-a", "host-b", "host-x"}); // still read, perhaps
  for (const auto* home : {"host-a", "host-b"})
    moved = moved.without_retiring(home, all);
  CHECK(moved.hosts_to_seal() == host_set{"host-x"});
}

TEST_CASE("lost replicas: two hosts may be lost, the last copy may not") {
  auto shape = make_shape(gib, 3, {"host-a", "host-b", "host-c"});
  auto two = *(*placement_map{shape}.with_lost("host-a")).with_lost("host-c");
  CHECK(two.lost().at("host-a").since == 2);
  CHECK(two.lost().at("host-c").since == 3);
  auto refused = two.with_lost("host-b");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == "host 'host-b' has the only copy of 1024 extents of volume 'db'");
  CHECK(two.with_lost("host-x")->lost() == two.lost()); // holds nothing: just a version
}

TEST_CASE("lost replicas: only what others hold too is given up where that is asked for") {
  auto shape = make_shape(gib, 2, {"host-a", "host-b", "host-c"});
  auto first = *placement_map{shape}.with_lost("host-c");
  auto held = first.in_sync("host-b");
  roaring::Roaring only;
  for (auto extent : held)
    if (first.replicas(extent).size() == 1)
      only.add(extent);
  REQUIRE_FALSE(only.isEmpty());
  REQUIRE_FALSE((held - only).isEmpty());
  auto next = first.with_lost_shared("host-b");
  CHECK(next.version() == first.version() + 1);
  CHECK(next.in_sync("host-b") == only);
  CHECK(next.lost().at("host-b") == lost_replica{next.version(), held - only});
  CHECK(next.lost().at("host-c") == first.lost().at("host-c"));
  CHECK(*placement_map::decode(shape, next.encode().read()) == next);
  auto nothing = next.with_lost_shared("host-b");
  CHECK(nothing.in_sync("host-b") == only);
  CHECK(nothing.lost() == next.lost());
}

TEST_CASE("lost replicas: 64 TiB are lost and found as fast as one extent") {
  auto shape = make_shape(64 * tib, 2, {"a", "b", "c", "d", "e"});
  auto gone = *placement_map{shape}.with_lost("c");
  CHECK(gone.degraded() == gone.lost().at("c").extents);
  auto back = placement_map::decode(shape, gone.encode().read());
  REQUIRE(back);
  CHECK(*back == gone);
  MESSAGE("encoded bytes: " << gone.encode().bytes().size());
}

TEST_CASE("lost replicas: records that contradict themselves are refused") {
  auto shape = make_shape(gib, 2, {"host-a", "host-b", "host-c"});
  auto good = (*placement_map{shape}.with_lost("host-b")).encode();
  auto other = (*placement_map{shape}.with_lost("host-b")).lost().at("host-b").extents;
  auto refused = [&](auto spoil) {
    capnp::MallocMessageBuilder message;
    message.setRoot(good.read());
    auto root = message.getRoot<schema::Placement>();
    spoil(root);
    auto got = placement_map::decode(shape, root.asReader());
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::malformed);
  };
  auto put = [](auto item, const roaring::Roaring& set) {
    auto bytes = encode_roaring(set);
    item.setExtents(kj::arrayPtr(bytes.data(), bytes.size()));
  };
  refused([](auto x) { x.getLost()[0].setHost("Host B"); });
  refused([](auto x) { x.getLost()[0].setSince(0); });
  refused([](auto x) { x.getLost()[0].setSince(3); });
  refused([](auto x) { x.getLost()[0].initExtents(5); });
  refused([&](auto x) { put(x.getLost()[0], {}); }); // lost nothing
  refused([&](auto x) { put(x.getLost()[0], roaring::Roaring::bitmapOf(1, 1024)); });
  refused([](auto x) { x.getLost()[0].setHost("host-a"); }); // holds some of it in sync
  refused([&](auto x) {                                      // retires what it lost
    auto sets = x.initRetiring(1);
    sets[0].initHosts(1).set(0, "host-b");
    put(sets[0], roaring::Roaring::bitmapOf(1, other.minimum()));
  });
  refused([&](auto x) {
    auto two = x.initLost(2);
    for (unsigned i = 0; i < 2; ++i) {
      two[i].setHost("host-b");
      two[i].setSince(2);
      put(two[i], other);
    }
  });
}
