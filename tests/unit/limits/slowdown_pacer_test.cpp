// SPDX-License-Identifier: Apache-2.0
#include "core/limits/slowdown_pacer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

constexpr double mib = 1024 * 1024;
constexpr double chunk = 256 * 1024;

/// Guests that finish `per_second` requests a second, less while copies run at a rate.
struct guests {
  double per_second = 0;
  std::function<double(double rate)> slowed = [](double) { return 1.0; };
  double requests = 0, busy_ns = 0;
  bool noisy = false; ///< Requests come by chance, three times as many in every other 0.7 s.
  double seconds = 0;
  std::mt19937 chance{1};

  foreground_totals totals() const {
    return {static_cast<std::uint64_t>(requests), static_cast<std::int64_t>(busy_ns)};
  }

  void pass(std::chrono::nanoseconds time, double rate) {
    auto share = slowed(rate);
    auto span = static_cast<double>(time.count()) / 1e9;
    seconds += span;
    if (noisy && std::fmod(seconds, 1.4) < 0.7)
      share *= 3;
    auto done = per_second * share * span;
    if (noisy)
      done = std::poisson_distribution<int>{done + 1e-9}(chance);
    requests += done;
    busy_ns += done * 100'000 / share;
  }
};

/// Copies for `time`; returns bytes per second over its second half.
double copy_for(slowdown_pacer& uut, guests& who, std::chrono::seconds time) {
  std::chrono::nanoseconds now{0};
  std::chrono::nanoseconds end = time;
  double late = 0;
  while (now < end) {
    auto wait = uut.take(
        chunk, [&] { return who.totals(); }, now.count());
    auto copying = 100us;
    who.pass(wait, uut.resting() ? 0 : uut.rate());
    who.pass(copying, uut.rate());
    now += wait + copying;
    if (now > end / 2)
      late += chunk;
  }
  return late / (static_cast<double>(time.count()) / 2);
}

} // namespace

TEST_CASE("guests that do nothing limit nothing") {
  slowdown_pacer uut({}, 0);
  guests idle;
  CHECK(copy_for(uut, idle, 20s) > 1000 * mib);
}

TEST_CASE("that guests do nothing shows after a moment, and that they begin to do something too") {
  slowdown_pacer uut({}, 0);
  foreground_totals totals;
  auto guests = [&] { return totals; };
  auto now = 0ns;
  while (now < 60ms)
    now += uut.take(chunk, guests, now.count()) + 1ms;
  CHECK(uut.take(1e9, guests, now.count()) == 0ns);
  totals.requests += 10;
  now += 60ms;
  uut.take(chunk, guests, now.count());
  CHECK(uut.resting());
  now += 110ms;
  CHECK(uut.take(1e9, guests, now.count()) > 1s);
}

TEST_CASE("who waits already is let go when it shows that guests do nothing") {
  slowdown_pacer uut({}, 0);
  auto guests = [] { return foreground_totals{}; };
  CHECK(uut.take(16 * mib, guests, 0) > 1s);
  CHECK_FALSE(uut.unlimited(guests, std::chrono::nanoseconds{20ms}.count()));
  CHECK(uut.unlimited(guests, std::chrono::nanoseconds{60ms}.count()));
}

TEST_CASE("guests that copies do not slow down limit less and less") {
  slowdown_pacer uut({}, 0);
  guests calm{.per_second = 20'000};
  CHECK(copy_for(uut, calm, 20s) > 200 * mib);
}

TEST_CASE("bursts and phases of guests are not taken for what copies cost them") {
  slowdown_pacer uut({}, 0);
  guests calm{.per_second = 500, .noisy = true};
  CHECK(copy_for(uut, calm, 60s) > 100 * mib);
}

TEST_CASE("what copies cost is found among bursts and phases") {
  slowdown_pacer uut({}, 0);
  guests slowed{.per_second = 500,
                .slowed = [](double rate) { return 1 - std::min(rate / (320 * mib), 0.9); },
                .noisy = true};
  auto rate = copy_for(uut, slowed, 60s);
  CHECK(rate > 10 * mib);
  CHECK(rate < 110 * mib);
}

TEST_CASE("copies settle at the rate that costs guests what is tolerated") {
  slowdown_pacer uut({}, 0);
  // 10 % slower at 30 MiB/s, in proportion.
  guests busy{.per_second = 20'000,
              .slowed = [](double rate) { return 1 / (1 + 0.1 * rate / (30 * mib)); }};
  auto rate = copy_for(uut, busy, 60s);
  CHECK(rate > 15 * mib);
  CHECK(rate < 32 * mib);
}

TEST_CASE("copies keep the least rate, however much guests suffer") {
  slowdown_pacer uut({}, 0);
  guests sick{.per_second = 20'000, .slowed = [](double rate) { return rate > 0 ? 0.3 : 1.0; }};
  auto rate = copy_for(uut, sick, 20s);
  CHECK(rate > 2.5 * mib);
  CHECK(rate < 4.5 * mib);
}

TEST_CASE("a few requests are no evidence: the rate stays until there is some") {
  slowdown_pacer uut({}, 0);
  guests few{.per_second = 2, .slowed = [](double rate) { return rate > 0 ? 0.3 : 1.0; }};
  copy_for(uut, few, 3s);
  CHECK(uut.rate() == 8 * mib);
}

TEST_CASE("after a pause the search begins anew") {
  slowdown_pacer uut({}, 0);
  guests calm{.per_second = 20'000};
  copy_for(uut, calm, 20s);
  CHECK(uut.rate() > 8 * mib);
  uut.take(
      chunk, [&] { return calm.totals(); }, std::chrono::nanoseconds{60s}.count());
  CHECK(uut.rate() == 8 * mib);
}
