// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/latency_histogram.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <thread>
#include <vector>

using namespace foreshift;

TEST_CASE("latency histogram: buckets are powers of two of an eighth of a microsecond") {
  CHECK(latency_bucket(0) == 0);
  CHECK(latency_bucket(-1) == 0);
  CHECK(latency_bucket(249) == 0);
  CHECK(latency_bucket(250) == 1);
  CHECK(latency_bucket(499) == 1);
  CHECK(latency_bucket(500) == 2);
  CHECK(latency_bucket(1000) == 3);
  CHECK(latency_bucket(1'000'000) == 12);
  CHECK(latency_bucket(std::numeric_limits<std::int64_t>::max()) == 31);
}

TEST_CASE("latency histogram: percentiles interpolate inside their bucket") {
  latency_counts counts;
  CHECK(counts.percentile_us(0.5) == 0);
  counts.buckets[10] = 100; // 128 .. 256 us
  CHECK(counts.percentile_us(0) == doctest::Approx(128));
  CHECK(counts.percentile_us(0.5) == doctest::Approx(192));
  CHECK(counts.percentile_us(1) == doctest::Approx(256));
  counts.buckets[13] = 100; // 1024 .. 2048 us
  CHECK(counts.percentile_us(0.5) == doctest::Approx(256));
  CHECK(counts.percentile_us(0.75) == doctest::Approx(1536));
  CHECK(counts.percentile_us(7) == doctest::Approx(2048));
}

TEST_CASE("latency histogram: differences and sums of snapshots") {
  latency_histogram histogram;
  histogram.record(1000);
  auto before = histogram.snapshot();
  histogram.record(1000);
  histogram.record(2000);
  auto between = histogram.snapshot() - before;
  CHECK(between.total() == 2);
  CHECK(between.buckets[3] == 1);
  CHECK(between.buckets[4] == 1);
  between += before;
  CHECK(between == histogram.snapshot());
  // A restarted process counts from zero.
  CHECK((before - histogram.snapshot()).buckets[3] == 1);
}

TEST_CASE("latency histogram: a list of any length becomes counts") {
  CHECK(latency_counts_of({}).total() == 0);
  std::vector<std::uint64_t> list(40, 1);
  auto counts = latency_counts_of(list);
  CHECK(counts.total() == 40);
  CHECK(counts.buckets[0] == 1);
  CHECK(counts.buckets[31] == 9);
}

TEST_CASE("latency histogram: threads lose no count") {
  latency_histogram histogram;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10'000; ++i)
        histogram.record(1000 << t);
    });
  for (auto& thread : threads)
    thread.join();
  auto counts = histogram.snapshot();
  CHECK(counts.total() == 40'000);
  CHECK(counts.buckets[3] == 10'000);
  CHECK(counts.buckets[6] == 10'000);
}
