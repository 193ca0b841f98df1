// SPDX-License-Identifier: Apache-2.0
#include "core/affinity/affinity.hpp"

#include "core/base/units.hpp"
#include "tests/support/shapes.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>

using namespace foreshift;

namespace {

placement_map make_map(std::uint32_t replicas, std::vector<std::string> homes,
                       std::uint64_t size_bytes = gib) {
  return placement_map{test::make_shape(size_bytes, replicas, std::move(homes))};
}

extent_heat heat(std::uint32_t extent, float reads, float writes = 0, float bytes = 4096) {
  return {extent, reads, writes, bytes};
}

forecast make_forecast(std::vector<extent_heat> extents) {
  forecast out;
  for (const auto& x : extents) {
    out.total_reads += x.reads;
    out.total_writes += x.writes;
  }
  out.extents = std::move(extents);
  return out;
}

host_view host(std::string name, std::string zone = "z1") {
  host_view out;
  out.name = std::move(name);
  out.zone = std::move(zone);
  return out;
}

std::vector<host_view> three_hosts() {
  return {host("host-a"), host("host-b"), host("host-c", "z2")};
}

auto about(double x) {
  return doctest::Approx(x).epsilon(1e-9);
}

} // namespace

TEST_CASE("affinity: scores are the definition, computed naively") {
  std::mt19937_64 random{21};
  for (int round = 0; round < 20; ++round) {
    auto replicas = static_cast<std::uint32_t>(1 + random() % 3);
    auto map = make_map(replicas, {"host-a", "host-b", "host-c"});
    std::vector<extent_heat> heats;
    std::vector<std::uint32_t> moved;
    for (std::uint32_t e = 0; e < map.shape().extents(); ++e) {
      if (random() % 3 == 0)
        heats.push_back(
            heat(e, static_cast<float>(random() % 100), static_cast<float>(random() % 9)));
      if (random() % 10 == 0)
        moved.push_back(e);
    }
    map = map.with_replica("host-d", moved);
    auto expected = make_forecast(heats);
    std::vector<host_view> hosts{host("host-a"), host("host-b"), host("host-c"), host("host-d")};
    auto got = affinity_scores({{&map, &expected, "", ""}}, hosts);
    REQUIRE(got.shape(0) == 1);
    REQUIRE(got.shape(1) == hosts.size());
    double row = 0;
    for (std::size_t h = 0; h < hosts.size(); ++h) {
      double there = 0;
      double all = 0;
      for (const auto& x : heats) {
        all += x.accesses();
        if (map.holds(hosts[h].name, x.extent))
          there += x.accesses();
      }
      CHECK(got(0, h) == about(there / all));
      CHECK(got(0, h) >= 0);
      CHECK(got(0, h) <= 1);
      CHECK(coverage_at(expected, map, hosts[h].name).accesses == about(there / all));
      row += got(0, h);
    }
    CHECK(row >= replicas * (1 - 1e-9)); // each access counts at every replica
  }
}

TEST_CASE("affinity: without a forecast, or with an empty one, a row is zero") {
  auto map = make_map(1, {"host-a", "host-b"});
  forecast empty;
  auto hosts = three_hosts();
  auto got = affinity_scores({{&map, nullptr, "", ""}, {&map, &empty, "", ""}}, hosts);
  REQUIRE(got.shape(0) == 2);
  for (auto score : got)
    CHECK(score == 0);
  CHECK(coverage_at(empty, map, "host-a").accesses == 0);
  CHECK(coverage_at(empty, map, "host-a").bytes == 0);
  CHECK(affinity_scores({}, hosts).size() == 0);
  CHECK(affinity_scores({{&map, &empty, "", ""}}, {}).size() == 0);
}

TEST_CASE("affinity: what is expected of unlisted extents counts at home") {
  auto map = make_map(2, {"host-a", "host-b", "host-c"});
  const std::vector<std::uint32_t> one{7};
  map = map.with_replica("host-d", one);
  auto expected = make_forecast({heat(7, 30)});
  expected.total_reads = 100;
  auto got = affinity_scores({{&map, &expected, "", ""}}, {host("host-a"), host("host-d")});
  CHECK(got(0, 0) == about((70 * 2.0 / 3 + (map.holds("host-a", 7) ? 30 : 0)) / 100));
  CHECK(got(0, 1) == about(0.3));
  CHECK(coverage_at(expected, map, "host-d").accesses == about(0.3));
  auto everywhere = make_map(3, {"host-a", "host-b", "host-c"});
  CHECK(coverage_at(expected, everywhere, "host-b").accesses == about(1));
}

TEST_CASE("affinity: nonsense in a forecast neither aborts nor leaves 0..1") {
  auto map = make_map(1, {"host-a", "host-b"});
  auto nan = std::numeric_limits<float>::quiet_NaN();
  auto expected = make_forecast({heat(5, 10), heat(999'999, 10), heat(6, nan), heat(7, -5)});
  auto got = affinity_scores({{&map, &expected, "", ""}}, three_hosts());
  CHECK(got(0, 0) + got(0, 1) == about(0.5)); // half is expected past the end
  CHECK(got(0, 2) == 0);
  auto at = map.replicas(5).front();
  CHECK(coverage_at(expected, map, at).accesses == about(0.5));
}

TEST_CASE("affinity: coverage of bytes is apart from coverage of accesses") {
  auto map = make_map(1, {"host-a"});
  const std::vector<std::uint32_t> one{1};
  map = map.with_replica("host-b", one);
  auto expected = make_forecast({heat(1, 90, 0, 100'000), heat(2, 5, 5, 300'000)});
  auto there = coverage_at(expected, map, "host-b");
  CHECK(there.accesses == about(0.9));
  CHECK(there.bytes == about(0.25));
  CHECK(coverage_at(expected, map, "host-a").accesses == about(1));
  CHECK(coverage_at(expected, map, "host-x").accesses == 0);
}

TEST_CASE("pull: the target comes first, the host it leaves second, then the near and idle") {
  auto map = make_map(1, {"host-a"});
  auto hosts = three_hosts();
  auto at = [&](const volume_view& view) {
    auto pulls = affinity_pulls({view}, hosts);
    return std::vector<double>{pulls(0, 0), pulls(0, 1), pulls(0, 2)};
  };
  auto running = at({&map, nullptr, "host-a", ""});
  CHECK(running[0] == 1);
  CHECK(running[1] == about(0.6));
  CHECK(running[2] == about(0.4));
  auto leaving = at({&map, nullptr, "host-a", "host-c"});
  CHECK(leaving[0] == about(0.95));
  CHECK(leaving[1] == about(0.4));
  CHECK(leaving[2] == 1);
  auto staying = at({&map, nullptr, "host-a", "host-a"});
  CHECK(staying[0] == 1);
  hosts[1].read_p50_us = 1000;
  CHECK(at({&map, nullptr, "host-a", ""})[1] == about(0.3));
  hosts[1].cpu_share = 1;
  CHECK(at({&map, nullptr, "host-a", ""})[1] == about(0.15));
  hosts[0].up = false;
  CHECK(at({&map, nullptr, "host-a", ""})[0] == 0);
}

TEST_CASE("pull: without compute host and target only headroom counts") {
  auto map = make_map(1, {"host-a"});
  auto hosts = three_hosts();
  hosts[0].cpu_share = 0.5;
  hosts[0].read_p50_us = 5000;
  hosts[1].total_bytes = 100;
  hosts[1].free_bytes = 20;
  hosts[2].up = false;
  auto pulls = affinity_pulls({{&map, nullptr, "", ""}}, hosts);
  CHECK(pulls(0, 0) == about(0.75));
  CHECK(pulls(0, 1) == about(0.6));
  CHECK(pulls(0, 2) == 0);
}

TEST_CASE("pull: a zone without a name is the host itself, and every pull is within 0..1") {
  auto map = make_map(1, {"host-a"});
  std::vector<host_view> hosts{host("host-a", ""), host("host-b", "")};
  hosts[1].cpu_share = 17;
  hosts[1].read_p50_us = -3;
  auto pulls = affinity_pulls({{&map, nullptr, "host-a", ""}, {&map, nullptr, "gone", ""}}, hosts);
  CHECK(pulls(0, 1) == about(0.4 * 0.5));
  CHECK(pulls(1, 0) == about(0.4));
  for (auto pull : pulls) {
    CHECK(pull >= 0);
    CHECK(pull <= 1);
  }
}
