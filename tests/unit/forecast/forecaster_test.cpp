// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/forecast/workload.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace foreshift;
using namespace foreshift::test;

namespace {

bool same(const forecast& a, const forecast& b) {
  return a.horizon_ms == b.horizon_ms && a.total_reads == b.total_reads
         && a.total_writes == b.total_writes && a.extents == b.extents
         && a.extents_active == b.extents_active && a.observed_ms == b.observed_ms
         && a.experts == b.experts;
}

} // namespace

TEST_CASE("forecaster: without accesses predicts nothing") {
  auto engine = make_forecaster(four_gib());
  engine->advance(5000);
  auto got = engine->predict(100);
  CHECK(got.extents.empty());
  CHECK(got.total_reads == 0);
  CHECK(got.total_writes == 0);
  CHECK(got.extents_active == 0);
  CHECK(got.observed_ms == 0);
  CHECK_FALSE(got.experts.empty());
  CHECK(engine->choose(100).empty());
}

TEST_CASE("forecaster: a clustered hot set ranks above the cold and covers what comes next") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(20, 1000, 128, 4096);
  auto got = engine->predict(128);
  REQUIRE(got.extents.size() == 128);
  auto top = extents_of(got);
  CHECK(share_in(top, 1000, 128) > 0.99);
  // 95 % of what comes lies in the hot set; what was predicted must hold nearly all of that.
  std::mt19937_64 random(99);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto extent =
        static_cast<std::uint32_t>(random() % 100 < 95 ? 1000 + random() % 128 : random() % 4096);
    hits += top.count(extent) != 0;
  }
  CHECK(hits > 9000);
  CHECK(std::is_sorted(got.extents.begin(), got.extents.end(),
                       [](auto& a, auto& b) { return a.accesses() > b.accesses(); }));
}

TEST_CASE("forecaster: expected accesses are calibrated to the rate, reads and writes apart") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(60, 1000, 128, 4096);
  auto got = engine->predict(128);
  CHECK(got.horizon_ms == 60'000);
  CHECK(got.observed_ms == 60'000);
  CHECK(got.total_reads == doctest::Approx(0.7 * 60'000).epsilon(0.05));
  CHECK(got.total_writes == doctest::Approx(0.3 * 60'000).epsilon(0.05));
  double hot = 0;
  for (auto& heat : got.extents)
    hot += heat.accesses();
  CHECK(hot / (got.total_reads + got.total_writes) == doctest::Approx(0.95).epsilon(0.05));
}

TEST_CASE("forecaster: totals match the sum over all extents, weights sum to one") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(15, 1000, 128, 4096);
  load.sequential(5, 2000 * mib, 64 * 1024);
  auto got = engine->predict(1u << 20);
  double reads = 0, writes = 0, weights = 0;
  for (auto& heat : got.extents) {
    reads += heat.reads;
    writes += heat.writes;
  }
  for (auto& share : got.experts)
    weights += share.weight;
  CHECK(reads == doctest::Approx(got.total_reads).epsilon(1e-3));
  CHECK(writes == doctest::Approx(got.total_writes).epsilon(1e-3));
  CHECK(weights == doctest::Approx(1));
}

TEST_CASE("forecaster: a sequential stream predicts extents never seen before") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  // 16 MiB a second for 10 s; over the 60 s horizon it will read 960 MiB more.
  auto at = load.sequential(10, 100 * mib, 16 * 1024);
  auto next = static_cast<std::uint32_t>(at / mib);
  auto got = engine->predict(400);
  auto top = extents_of(got);
  CHECK(share_in(top, next, 300) > 0.95);
  CHECK(got.extents_active <= next - 100 + 1);
  for (auto& heat : got.extents)
    if (heat.extent > next)
      CHECK(heat.bytes > 0);
}

TEST_CASE("forecaster: a slow stream still looks 32 MiB ahead, and never past the end") {
  auto engine = make_forecaster({.size_bytes = 200 * mib, .horizon_ms = 1000});
  workload load{*engine};
  auto at = load.sequential(20, 10 * mib, 1024);
  auto next = static_cast<std::uint32_t>(at / mib);
  auto top = extents_of(engine->predict(1000));
  CHECK(share_in(top, next + 1, 31) == 1);
  load.sequential(160, at, 1024);
  top = extents_of(engine->predict(1000));
  CHECK(*top.rbegin() < 200);
}

TEST_CASE("forecaster: random requests in a small area are no stream") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(20, 1000, 2, 4096, 0);
  auto got = engine->predict(10'000);
  CHECK(got.extents.size() <= got.extents_active);
}

TEST_CASE("forecaster: a stream among much random I/O is found") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  std::uint64_t at = 100 * mib;
  for (int i = 0; i < 20'000; ++i, ++load.now_ms) {
    for (int j = 0; j < 4; ++j)
      load.one((2000 + load.random() % 128) * mib + load.random() % 256 * 4096);
    if (i % 8 == 0) {
      load.one(at, 64 * 1024);
      at += 64 * 1024;
    }
  }
  engine->advance(load.now_ms);
  auto all = extents_of(engine->predict(100'000));
  CHECK(share_in(all, static_cast<std::uint32_t>(at / mib), 32) == 1);
}

TEST_CASE("forecaster: a hot set that moves is followed") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(120, 1000, 128, 4096);
  // One horizon until the first verdict on the new, one to learn from it.
  load.clustered(120, 3000, 128, 4096);
  auto top = extents_of(engine->predict(128));
  CHECK(share_in(top, 3000, 128) > 0.9);
}

TEST_CASE("forecaster: what is no longer used cools down") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(20, 1000, 128, 4096);
  auto hot = engine->predict(10);
  load.idle(60);
  auto cooler = engine->predict(10);
  load.idle(3600);
  auto cold = engine->predict(10);
  CHECK(cooler.total_reads < hot.total_reads / 2);
  CHECK(cooler.extents[0].reads < hot.extents[0].reads / 2);
  CHECK(cold.total_reads < 1e-3 * hot.total_reads);
}

TEST_CASE("forecaster: reads and writes are told apart per extent") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  for (int i = 0; i < 10'000; ++i, ++load.now_ms) {
    load.one(10 * mib + load.random() % 256 * 4096, 4096, false);
    load.one(20 * mib + load.random() % 256 * 4096, 4096, true);
  }
  engine->advance(load.now_ms);
  auto got = engine->predict(10);
  REQUIRE(got.extents.size() == 2);
  for (auto& heat : got.extents)
    CHECK((heat.extent == 10 ? heat.reads > 1000 * (heat.writes + 1) / 2
                             : heat.writes > 1000 * (heat.reads + 1) / 2));
}

TEST_CASE("forecaster: distinct bytes follow the working set, not the number of accesses") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  for (int i = 0; i < 20'000; ++i, ++load.now_ms) {
    load.one(10 * mib + load.random() % 8 * 4096);
    load.one(20 * mib + load.random() % 256 * 4096);
  }
  engine->advance(load.now_ms);
  for (auto& heat : engine->predict(10).extents) {
    auto expected = heat.extent == 10 ? 8 * 4096.0 : 1.0 * mib;
    CHECK(heat.bytes == doctest::Approx(expected).epsilon(0.1));
    CHECK(heat.bytes <= mib);
  }
}

TEST_CASE("forecaster: a request over several extents counts in each") {
  auto engine = make_forecaster(four_gib());
  engine->observe({0, 10 * mib - 4096, 2 * mib, false});
  engine->observe({0, 4096 * mib - 4096, 8192, false}); // reaches beyond the end
  engine->observe({0, 5000 * mib, 4096, false});        // lies beyond the end
  engine->advance(1000);
  CHECK(extents_of(engine->predict(10)) == std::set<std::uint32_t>{9, 10, 11, 4095});
}

TEST_CASE("forecaster: accesses of the open window count when it closes") {
  auto engine = make_forecaster(four_gib());
  engine->observe({500, 0, 4096, false});
  engine->advance(999);
  CHECK(engine->predict(1).extents.empty());
  engine->advance(1000);
  CHECK(engine->predict(1).extents.size() == 1);
}

TEST_CASE("forecaster: the same accesses give the same forecast") {
  auto a = make_forecaster(four_gib()), b = make_forecaster(four_gib());
  workload{*a}.clustered(12, 1000, 128, 4096);
  workload{*b}.clustered(12, 1000, 128, 4096);
  CHECK(same(a->predict(500), b->predict(500)));
  CHECK(a->save() == b->save());
}

TEST_CASE("forecaster: memory is bounded, and the hot survive") {
  auto options = four_gib();
  options.extents_max = 512;
  auto engine = make_forecaster(options);
  workload load{*engine};
  load.clustered(20, 1000, 128, 4096);
  for (int i = 0; i < 20'000; ++i) {
    load.one(load.random() % 4096 * mib);
    load.one((1000 + load.random() % 128) * mib);
    load.now_ms += i % 4 == 0;
  }
  load.idle(1);
  auto got = engine->predict(10'000);
  CHECK(got.extents_active <= 512);
  CHECK(share_in(extents_of(engine->predict(128)), 1000, 128) > 0.9);
}

TEST_CASE("forecaster: a window that touches more extents than fit is survived") {
  forecaster_options options{.size_bytes = 4096 * mib, .extents_max = 8};
  auto engine = make_forecaster(options);
  workload load{*engine};
  for (std::uint32_t i = 0; i < 4096; ++i)
    load.one(i * mib);
  load.one(0, 64 * mib);
  load.idle(1);
  auto got = engine->predict(100);
  CHECK(got.extents_active <= 8);
}

TEST_CASE("forecaster: strange times are taken as they come") {
  auto engine = make_forecaster(four_gib());
  constexpr auto far = std::numeric_limits<std::int64_t>::max();
  for (auto at_ms : {std::int64_t{-5}, std::int64_t{-5000}, std::int64_t{10'000}, std::int64_t{3},
                     far, -far, std::int64_t{0}})
    engine->observe({at_ms, 0, 4096, false});
  engine->advance(far);
  engine->advance(-far);
  auto got = engine->predict(10);
  CHECK(std::isfinite(got.total_reads));
  CHECK(got.extents_active == 1);
}

TEST_CASE("forecaster: what was promised is judged once the horizon has passed") {
  auto options = four_gib();
  options.horizon_ms = 10'000;
  auto engine = make_forecaster(options);
  workload load{*engine};
  load.clustered(8, 1000, 128, 4096);
  CHECK(engine->ledgers().front().line.decisions == 0);
  load.clustered(60, 1000, 128, 4096);
  auto ledger = engine->ledgers().front();
  CHECK(ledger.horizon_ms == 10'000);
  CHECK(ledger.line.decisions > 10);
  CHECK(ledger.line.covered > 0.9); // 204 extents, 5 % of the volume, for a hot set of 128
  CHECK(ledger.line.covered <= ledger.line.oracle + 1e-6);
  CHECK(ledger.line.promised == doctest::Approx(ledger.line.covered).epsilon(0.1));
  CHECK(ledger.line.of_oracle > 0.9);
}

TEST_CASE("forecaster: a choice stays as it is while the hot set does, and follows when it moves") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(100, 1000, 128, 4096);
  auto before = engine->choose(128);
  load.clustered(30, 1000, 128, 4096);
  auto after = engine->choose(128);
  std::set<std::uint32_t> kept(before.begin(), before.end());
  CHECK(before.size() == 128);
  CHECK(std::count_if(after.begin(), after.end(), [&](auto x) { return kept.contains(x); }) > 115);
  load.clustered(120, 3000, 128, 4096);
  auto moved = engine->choose(128);
  CHECK(share_in({moved.begin(), moved.end()}, 3000, 128) > 0.9);
}

TEST_CASE("forecaster: what is hardly ever used does not change places with its like") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  auto minutes = [&](int count) { // 99 % to 60 extents; of the others each about once a minute
    for (int i = 0; i < count * 60'000; ++i, ++load.now_ms) {
      auto extent = load.random() % 100 < 99 ? load.random() % 60 : 60 + load.random() % 600;
      load.one(extent * mib + load.random() % 256 * 4096);
    }
    engine->advance(load.now_ms);
  };
  minutes(3);
  auto before = engine->choose(128);
  std::set<std::uint32_t> kept(before.begin(), before.end());
  minutes(1);
  auto after = engine->choose(128);
  CHECK(after.size() == 128);
  CHECK(std::count_if(after.begin(), after.end(), [&](auto x) { return kept.contains(x); }) > 120);
}

TEST_CASE("forecaster: hot are the budget's worth, warm the next, the rest is cold") {
  auto options = four_gib();
  options.budget_extents = 64;
  auto engine = make_forecaster(options);
  workload load{*engine};
  load.clustered(60, 1000, 64, 4096);
  std::size_t hot = 0, warm = 0, hot_inside = 0;
  for (auto& heat : engine->predict(4096).extents) {
    hot += heat.kind == heat_class::hot;
    warm += heat.kind == heat_class::warm;
    hot_inside += heat.kind == heat_class::hot && heat.extent - 1000 < 64;
  }
  CHECK(hot <= 64);
  CHECK(hot_inside > 57);
  CHECK(warm <= 256);
  CHECK(warm > 64);
}

TEST_CASE("forecaster: every horizon has a forecast, longer ones expect more") {
  auto engine = make_forecaster(four_gib());
  workload load{*engine};
  load.clustered(30, 1000, 128, 4096);
  double before = 0;
  for (std::uint32_t horizon_ms : {10'000u, 60'000u, 300'000u, 3'600'000u}) {
    auto got = engine->predict(100, horizon_ms);
    CHECK(got.horizon_ms == horizon_ms);
    CHECK(got.extents.size() == 100);
    CHECK(got.total_reads > before);
    before = got.total_reads;
  }
}
