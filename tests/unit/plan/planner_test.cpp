// SPDX-License-Identifier: Apache-2.0
#include "core/plan/planner.hpp"

#include "core/base/units.hpp"
#include "tests/support/shapes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

using namespace foreshift;

namespace {

placement_map make_map(std::uint32_t replicas = 1,
                       std::vector<std::string> homes = {"host-a", "host-b"},
                       std::uint64_t size_bytes = gib) {
  return placement_map{test::make_shape(size_bytes, replicas, std::move(homes))};
}

extent_heat heat(std::uint32_t extent, float reads, float writes = 0) {
  return {extent, reads, writes, 4096};
}

forecast make_forecast(std::vector<extent_heat> extents) {
  forecast out;
  out.horizon_ms = 60'000;
  for (const auto& x : extents) {
    out.total_reads += x.reads;
    out.total_writes += x.writes;
  }
  out.extents = std::move(extents);
  return out;
}

std::vector<host_view> make_hosts() {
  std::vector<host_view> out(3);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].name = "host-" + std::string(1, static_cast<char>('a' + i));
    out[i].zone = i == 0 ? "z1" : "z2";
    out[i].total_bytes = out[i].free_bytes = 100 * gib;
  }
  return out;
}

plan_request to_c(std::uint64_t budget_bytes = gib) {
  plan_request out;
  out.to = "host-c";
  out.budget_bytes = budget_bytes;
  return out;
}

std::vector<std::uint32_t> moved(const plan& x) {
  std::vector<std::uint32_t> out;
  for (const auto& move : x.moves)
    out.insert(out.end(), move.extents.begin(), move.extents.end());
  return out;
}

const left_out* left(const plan& x, std::string_view reason) {
  auto at = std::find_if(x.left.begin(), x.left.end(),
                         [&](const auto& entry) { return entry.reason == reason; });
  return at == x.left.end() ? nullptr : &*at;
}

auto about(double x) {
  return doctest::Approx(x).epsilon(1e-9);
}

using extents = std::vector<std::uint32_t>;

} // namespace

TEST_CASE("plan: the hottest extents move first, and every other says why it stays") {
  auto map = make_map(1, {"host-a"});
  const extents there{9};
  map = map.with_replica("host-c", there);
  auto expected = make_forecast(
      {heat(9, 50), heat(1, 2, 28), heat(4, 10), heat(2, 5), heat(3, 5), heat(7, 0.25f)});
  auto got = make_plan({&map, &expected, "host-a", ""}, make_hosts(), to_c(2 * mib));
  CHECK(moved(got) == extents{1, 4});
  CHECK(got.bytes == 2 * mib);
  REQUIRE(got.moves.size() == 1);
  CHECK(got.moves[0].from == "host-a");
  CHECK(got.moves[0].to == "host-c");
  CHECK(got.moves[0].accesses == about(40));
  CHECK(got.moves[0].bytes_expected == about(8192));
  CHECK(got.moves[0].accesses_each == std::vector<double>{30, 10});
  CHECK(got.moves[0].reason.find("host-a") != std::string::npos);
  REQUIRE(left(got, "already there"));
  CHECK(left(got, "already there")->extents == there);
  CHECK(left(got, "already there")->accesses == about(50));
  REQUIRE(left(got, "beyond the budget"));
  CHECK(left(got, "beyond the budget")->extents == extents{2, 3});
  REQUIRE(left(got, "too cold to pay"));
  CHECK(left(got, "too cold to pay")->extents == extents{7});
  CHECK(got.left.size() == 3);
  CHECK(got.note.empty());
  CHECK(got.before.accesses == about(50 / 100.25));
  CHECK(got.after.accesses == about(90 / 100.25));
  CHECK(got.after.bytes == about(3.0 / 6));
  CHECK(got.next_budget_gain == about(10 / 100.25));
}

TEST_CASE("plan: another 64 MiB count no more than 64 MiB, nor more than the host holds") {
  auto map = make_map(1, {"host-a"});
  std::vector<extent_heat> heats;
  for (std::uint32_t e = 0; e < 200; ++e)
    heats.push_back(heat(e, 1));
  auto expected = make_forecast(heats);
  auto hosts = make_hosts();
  CHECK(make_plan({&map, &expected, "", ""}, hosts, to_c(10 * mib)).next_budget_gain
        == about(64 / 200.0));
  hosts[2].free_bytes = 30 * mib;
  auto tight = make_plan({&map, &expected, "", ""}, hosts, to_c(10 * mib));
  CHECK(tight.next_budget_gain == about(20 / 200.0));
  CHECK(make_plan({&map, &expected, "", ""}, hosts, to_c(300 * mib)).next_budget_gain == 0);
}

TEST_CASE("plan: no move where nothing is gained, and no plan without a forecast") {
  auto map = make_map(1, {"host-a"});
  forecast empty;
  auto hosts = make_hosts();
  CHECK(make_plan({&map, nullptr, "", ""}, hosts, to_c()).note == "no forecast yet");
  CHECK(make_plan({&map, &empty, "", ""}, hosts, to_c()).note == "no forecast yet");
  auto cold = make_forecast({heat(1, 0.1f), heat(2, 0.2f)});
  auto got = make_plan({&map, &cold, "", ""}, hosts, to_c());
  CHECK(got.note == "no beneficial move");
  CHECK(got.moves.empty());
  CHECK(got.bytes == 0);
  const extents both{1, 2};
  auto there = map.with_replica("host-c", both);
  auto done = make_plan({&there, &cold, "", ""}, hosts, to_c());
  CHECK(done.note == "no beneficial move");
  CHECK(done.before.accesses == about(1));
  CHECK(done.after.accesses == about(1));
}

TEST_CASE("plan: a full host takes what fits and says so for the rest") {
  auto map = make_map(1, {"host-a"});
  auto expected = make_forecast({heat(1, 9), heat(2, 8), heat(3, 7)});
  auto hosts = make_hosts();
  hosts[2].free_bytes = 2 * mib - 1;
  auto got = make_plan({&map, &expected, "", ""}, hosts, to_c());
  CHECK(moved(got) == extents{1});
  REQUIRE(left(got, "host full"));
  CHECK(left(got, "host full")->extents == extents{2, 3});
  hosts[2].free_bytes = 0;
  auto full = make_plan({&map, &expected, "", ""}, hosts, to_c());
  CHECK(full.moves.empty());
  CHECK(left(full, "host full")->extents.size() == 3);
  CHECK(full.note == "no beneficial move");
  hosts.pop_back();
  CHECK(make_plan({&map, &expected, "", ""}, hosts, to_c()).moves.empty());
}

TEST_CASE("plan: copies come from the up replica with most headroom") {
  auto map = make_map(2, {"host-a", "host-b"});
  auto expected = make_forecast({heat(1, 9)});
  auto hosts = make_hosts();
  hosts[0].cpu_share = 0.9;
  CHECK(make_plan({&map, &expected, "", ""}, hosts, to_c()).moves.at(0).from == "host-b");
  hosts[1].up = false;
  CHECK(make_plan({&map, &expected, "", ""}, hosts, to_c()).moves.at(0).from == "host-a");
  hosts[0].up = false;
  auto none = make_plan({&map, &expected, "", ""}, hosts, to_c());
  CHECK(none.moves.empty());
  REQUIRE(left(none, "no source up"));
  CHECK(left(none, "no source up")->extents == extents{1});
}

TEST_CASE("plan: a far or slow source is worth more than a near one with as many accesses") {
  auto map = make_map();
  extents at_a, at_b;
  for (std::uint32_t e = 0; e < map.shape().extents(); e += 64)
    (map.holds("host-a", e) ? at_a : at_b).push_back(e);
  REQUIRE(!at_a.empty());
  REQUIRE(!at_b.empty());
  auto expected = make_forecast({heat(at_b[0], 10), heat(at_a[0], 10)});
  auto hosts = make_hosts();
  auto first = [&] { return moved(make_plan({&map, &expected, "", ""}, hosts, to_c(mib))).at(0); };
  CHECK(first() == at_a[0]); // host-b shares the zone of host-c
  hosts[1].read_p50_us = 9000;
  hosts[2].read_p50_us = 100;
  CHECK(first() == at_b[0]);
}

TEST_CASE("plan: the choice under a budget is as good as the best of all subsets") {
  std::mt19937_64 random{31};
  for (int round = 0; round < 60; ++round) {
    auto map = make_map();
    auto hosts = make_hosts();
    hosts[0].read_p50_us = static_cast<double>(random() % 3000);
    hosts[2].read_p50_us = 100;
    std::vector<extent_heat> heats;
    for (std::uint32_t i = 0; i < 10; ++i)
      heats.push_back(heat(i * 97, static_cast<float>(1 + random() % 50)));
    auto expected = make_forecast(heats);
    auto budget = random() % 11;
    hosts[2].free_bytes = (random() % 11) * mib;
    auto got = make_plan({&map, &expected, "", ""}, hosts, to_c(budget * mib));
    double value = 0;
    for (const auto& move : got.moves)
      value += move.accesses * move.saving_us;
    double best = 0;
    auto fits = std::min<std::uint64_t>(budget, hosts[2].free_bytes / mib);
    for (unsigned subset = 0; subset < 1u << heats.size(); ++subset) {
      if (static_cast<std::uint64_t>(__builtin_popcount(subset)) > fits)
        continue;
      double sum = 0;
      for (std::size_t i = 0; i < heats.size(); ++i)
        if ((subset >> i & 1) != 0)
          sum += heats[i].accesses()
                 * (map.holds("host-a", heats[i].extent)
                        ? 500 + std::max(0.0, hosts[0].read_p50_us - 100)
                        : 150);
      best = std::max(best, sum);
    }
    CHECK(value == about(best));
    CHECK(got.bytes <= std::min(budget * mib, hosts[2].free_bytes));
  }
}

TEST_CASE("plan: moves hold 64 extents of one source and stand in the order of their best extent") {
  auto map = make_map();
  std::vector<extent_heat> heats;
  std::mt19937_64 random{32};
  for (std::uint32_t e = 0; e < 500; ++e)
    heats.push_back(heat(e, static_cast<float>(1 + random() % 1000)));
  auto expected = make_forecast(heats);
  auto got = make_plan({&map, &expected, "", ""}, make_hosts(), to_c());
  double last = 1e18;
  std::set<std::uint32_t> seen;
  for (const auto& move : got.moves) {
    REQUIRE(!move.extents.empty());
    CHECK(move.extents.size() <= move_extents_max);
    CHECK(move.accesses_each.front() * move.saving_us <= last);
    last = move.accesses_each.front() * move.saving_us;
    CHECK(std::is_sorted(move.accesses_each.rbegin(), move.accesses_each.rend()));
    for (auto e : move.extents) {
      CHECK(map.replicas(e) == host_set{move.from});
      CHECK(seen.insert(e).second);
    }
  }
  CHECK(seen.size() == 500);
  CHECK(got.moves.size() <= 500 / 64 + 2);
  CHECK(got.after.accesses == about(1));
}

TEST_CASE("plan: a forecast that repeats an extent or runs past the end moves nothing twice") {
  auto map = make_map(1, {"host-a"});
  auto expected = make_forecast({heat(5, 10), heat(5, 10), heat(1 << 20, 99)});
  auto got = make_plan({&map, &expected, "", ""}, make_hosts(), to_c());
  CHECK(moved(got) == extents{5});
}

TEST_CASE("plan: the API's form folds extents into ranges with their sums") {
  auto map = make_map(1, {"host-a"});
  auto expected = make_forecast(
      {heat(10, 5), heat(11, 6), heat(12, 7), heat(40, 100), heat(50, 0.1f), heat(51, 0.1f)});
  auto request = to_c();
  request.rate_bytes = 2 * mib;
  request.expected_flip_us = 777;
  auto made = make_plan({&map, &expected, "", ""}, make_hosts(), request);
  auto got = encode(made, map.shape(), request, 42, 1234);
  auto root = got.read();
  CHECK(root.getId() == 42);
  CHECK(root.getVolume() == 7);
  CHECK(root.getAtMs() == 1234);
  CHECK(root.getBytes() == 4 * mib);
  CHECK(root.getExpectedMs() == 2000);
  CHECK(root.getExpectedFlipUs() == 777);
  CHECK(root.getCoverageAfter() == about(made.after.accesses));
  CHECK(root.getNextBudgetBytes() == 64 * mib);
  REQUIRE(root.getMoves().size() == 2);
  auto hottest = root.getMoves()[0];
  CHECK(hottest.getFirstExtent() == 40);
  CHECK(hottest.getExtents() == 1);
  auto run = root.getMoves()[1];
  CHECK(run.getFirstExtent() == 10);
  CHECK(run.getExtents() == 3);
  CHECK(run.getBytes() == 3 * mib);
  CHECK(run.getAccesses() == about(18));
  CHECK(run.getGain() == about(18 * 500 / 1000.0));
  CHECK(std::string{run.getFrom().cStr()} == "host-a");
  CHECK(std::string{run.getTo().cStr()} == "host-c");
  REQUIRE(root.getLeft().size() == 1);
  CHECK(root.getLeft()[0].getExtents() == 2);
  CHECK(std::string{root.getLeft()[0].getReason().cStr()} == "too cold to pay");
}

TEST_CASE("plan: thousands of ranges are summarised without losing a byte") {
  auto map = make_map(1, {"host-a"}, 8 * gib);
  std::vector<extent_heat> heats;
  for (std::uint32_t i = 0; i < 4000; ++i)
    heats.push_back(heat(2 * i, static_cast<float>(1 + i % 7)));
  auto expected = make_forecast(heats);
  auto request = to_c(3000 * mib);
  auto made = make_plan({&map, &expected, "", ""}, make_hosts(), request);
  auto packed = encode(made, map.shape(), request, 1, 1);
  auto root = packed.read();
  REQUIRE(root.getMoves().size() == plan_ranges_max);
  std::uint64_t bytes = 0;
  std::uint64_t listed = 0;
  double accesses = 0;
  for (auto move : root.getMoves()) {
    bytes += move.getBytes();
    listed += move.getExtents();
    accesses += move.getAccesses();
  }
  CHECK(bytes == made.bytes);
  CHECK(listed == 3000);
  for (const auto& entry : made.left)
    accesses += entry.accesses;
  CHECK(accesses == about(expected.total_reads));
  auto rest = root.getMoves()[plan_ranges_max - 1];
  CHECK(rest.getExtents() == 2001);
  CHECK(std::string{rest.getReason().cStr()}.find("2001 colder ranges") == 0);
}

TEST_CASE("retire: surplus goes from the hosts that would serve the VCI least, never from it") {
  auto map = make_map(1, {"host-a"});
  const extents both{1, 2};
  const extents one{2};
  map = map.with_replica("host-c", both).with_replica("host-b", one);
  using result_type = std::vector<std::pair<std::string, extents>>;
  auto hosts = make_hosts();
  // Extent 2 is on a, b and c; b shares the zone of c, but one replica is all that is owed.
  CHECK(surplus_to_retire(map, hosts, "host-c")
        == result_type{{"host-a", {1, 2}}, {"host-b", {2}}});
  CHECK(surplus_to_retire(make_map(1, {"host-a"}), hosts, "host-c").empty());
  auto wide = make_map(2, {"host-a", "host-b"}).with_replica("host-c", both);
  CHECK(surplus_to_retire(wide, hosts, "host-c") == result_type{{"host-a", {1, 2}}});
  hosts[1].up = false;
  CHECK(surplus_to_retire(wide, hosts, "host-c") == result_type{{"host-b", {1, 2}}});
  hosts.erase(hosts.begin());
  CHECK(surplus_to_retire(wide, hosts, "host-c") == result_type{{"host-a", {1, 2}}});
}

TEST_CASE("retire: whatever is proposed leaves the replication factor and the host to keep") {
  std::mt19937_64 random{33};
  auto hosts = make_hosts();
  for (int round = 0; round < 50; ++round) {
    auto map = make_map(static_cast<std::uint32_t>(1 + random() % 2));
    for (const auto* host : {"host-a", "host-b", "host-c", "host-x"}) {
      extents some;
      for (std::uint32_t e = 0; e < 200; ++e)
        if (random() % 2 == 0)
          some.push_back(e);
      map = map.with_replica(host, some);
    }
    auto next = map;
    for (const auto& [host, going] : surplus_to_retire(map, hosts, "host-c")) {
      CHECK(host != "host-c");
      CHECK(std::is_sorted(going.begin(), going.end()));
      next = next.without_replica(host, going); // aborts below the factor
    }
    CHECK(next.surplus().empty());
  }
}
