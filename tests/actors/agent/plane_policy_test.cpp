// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_policy.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t ms = 1'000'000;

} // namespace

TEST_CASE("a host without a data plane probes first and then starts one") {
  plane_policy uut;
  CHECK(uut.next(0) == plane_step::probe);
  uut.absent();
  CHECK(uut.next(0) == plane_step::start);
  uut.started(100, 0);
  CHECK(uut.next(0) == plane_step::watch);
  CHECK(uut.pid() == 100);
  CHECK_FALSE(uut.adopted());
  CHECK(uut.restarts() == 0);
}

TEST_CASE("a data plane that already runs is adopted and never started again") {
  plane_policy uut;
  uut.found(77, 0);
  CHECK(uut.next(0) == plane_step::watch);
  CHECK(uut.pid() == 77);
  CHECK(uut.adopted());
}

TEST_CASE("an adopted data plane that dies is replaced after a probe and counts as a restart") {
  plane_policy uut;
  uut.found(77, 0);
  uut.died(60'000 * ms);
  CHECK(uut.pid() == 0);
  CHECK(uut.next(60'000 * ms) == plane_step::wait);
  CHECK(uut.next(60'100 * ms) == plane_step::probe);
  uut.absent();
  CHECK(uut.next(60'100 * ms) == plane_step::start);
  uut.started(78, 60'100 * ms);
  CHECK_FALSE(uut.adopted());
  CHECK(uut.restarts() == 1);
}

TEST_CASE("a data plane that keeps dying is started ever more slowly, up to a limit") {
  plane_policy uut;
  std::int64_t now = 0;
  std::chrono::nanoseconds before{0};
  for (int i = 0; i < 10; ++i) {
    uut.absent();
    uut.started(static_cast<std::uint32_t>(10 + i), now);
    uut.died(now + ms);
    CHECK(uut.backoff() >= before);
    CHECK(uut.backoff() <= 10s);
    before = uut.backoff();
    CHECK(uut.next(now + ms) == plane_step::wait);
    now += ms + uut.backoff().count();
    CHECK(uut.next(now) == plane_step::probe);
  }
  CHECK(uut.backoff() == 10s);
}

TEST_CASE("a long life resets the back-off") {
  plane_policy uut;
  for (int i = 0; i < 5; ++i) {
    uut.absent();
    uut.start_failed(0);
  }
  CHECK(uut.backoff() == 1600ms);
  uut.absent();
  uut.started(5, 0);
  uut.died(10'000 * ms);
  CHECK(uut.backoff() == 100ms);
}

TEST_CASE("a stopped supervisor starts nothing, whatever happens afterwards") {
  plane_policy uut;
  uut.absent();
  uut.started(5, 0);
  uut.stop();
  uut.died(1);
  uut.absent();
  uut.found(6, 2);
  CHECK(uut.next(1'000'000 * ms) == plane_step::rest);
  CHECK(uut.pid() == 0);
}
