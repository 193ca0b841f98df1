// SPDX-License-Identifier: Apache-2.0
#include "core/limits/limits.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

} // namespace

TEST_CASE("token bucket: a full bucket passes its burst at once and then paces") {
  token_bucket bucket(100, 50, 0);
  CHECK(bucket.take(50, 0) == 0ns);
  CHECK(bucket.take(10, 0) == 100ms);
  CHECK(bucket.take(10, 0) == 200ms);
}

TEST_CASE("token bucket: time refills up to the burst and no further") {
  token_bucket bucket(100, 50, 0);
  CHECK(bucket.take(50, 0) == 0ns);
  CHECK(bucket.take(25, second_ns / 4) == 0ns);
  CHECK(bucket.take(50, 1000 * second_ns) == 0ns);
  CHECK(bucket.take(1, 1000 * second_ns) == 10ms);
}

TEST_CASE("token bucket: a unit larger than the burst passes and is paid for afterwards") {
  token_bucket bucket(100, 10, 0);
  CHECK(bucket.take(110, 0) == 1s);
  CHECK(bucket.take(0, 0) == 1s);
  CHECK(bucket.take(0, second_ns) == 0ns);
  CHECK(bucket.take(10, second_ns) == 100ms);
}

TEST_CASE("token bucket: a caller who waits as told gets exactly the rate over time") {
  token_bucket bucket(1000, 100, 0);
  std::int64_t now_ns = 0;
  for (int i = 0; i < 1000; ++i)
    now_ns += bucket.take(37, now_ns).count();
  CHECK(static_cast<double>(now_ns) / 1e9 == doctest::Approx((37.0 * 1000 - 100) / 1000));
}

TEST_CASE("token bucket: no burst still passes, at the rate") {
  token_bucket bucket(10, 0, 0);
  CHECK(bucket.take(1, 0) == 100ms);
  CHECK(bucket.take(1, second_ns) == 100ms);
}

TEST_CASE("token bucket: rate 0 is unlimited and forgives debt") {
  token_bucket bucket(0, 10, 0);
  CHECK(bucket.take(1e18, 0) == 0ns);
  bucket.set_rate(10, 0);
  CHECK(bucket.rate() == 10);
  CHECK(bucket.take(10, 0) == 0ns);
  CHECK(bucket.take(100, 0) == 10s);
  bucket.set_rate(0, 0);
  CHECK(bucket.take(100, 0) == 0ns);
  bucket.set_rate(10, 0);
  CHECK(bucket.take(10, 0) == 0ns);
}

TEST_CASE("token bucket: a new rate applies from now on, not to time already passed") {
  token_bucket bucket(100, 1000, 0);
  CHECK(bucket.take(1000, 0) == 0ns);
  bucket.set_rate(1, second_ns);
  CHECK(bucket.take(100, second_ns) == 0ns);
  CHECK(bucket.take(1, second_ns) == 1s);
  bucket.set_rate(100, second_ns);
  CHECK(bucket.take(0, second_ns) == 10ms);
}

TEST_CASE("token bucket: time that goes back refills nothing") {
  token_bucket bucket(100, 10, 5 * second_ns);
  CHECK(bucket.take(10, 5 * second_ns) == 0ns);
  CHECK(bucket.take(10, second_ns) == 100ms);
  CHECK(bucket.take(0, 5 * second_ns) == 100ms);
}

TEST_CASE("token bucket: senseless amounts and rates do no harm") {
  token_bucket bucket(100, 10, 0);
  CHECK(bucket.take(-1000, 0) == 0ns);
  CHECK(bucket.take(std::nan(""), 0) == 0ns);
  CHECK(bucket.take(10, 0) == 0ns);
  CHECK(bucket.take(1, 0) == 10ms);
  CHECK(bucket.take(std::numeric_limits<double>::infinity(), 0) == 24h);
  CHECK(token_bucket(-5, 1, 0).rate() == 0);
  CHECK(token_bucket(1e-300, 0, 0).take(1, 0) == 24h);
}
