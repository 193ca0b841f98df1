// SPDX-License-Identifier: Apache-2.0
#include "core/limits/move_limits.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr double mb = 1'000'000;

move_rates rates(std::uint64_t cell, std::uint64_t host, std::uint64_t link, std::uint64_t volume) {
  return {cell * 1'000'000, host * 1'000'000, link * 1'000'000, volume * 1'000'000};
}

/// Bytes a second that copies get which each begin when they may.
struct copier {
  move_limits& limits;
  std::uint64_t volume;
  const char* from;
  const char* to;
  std::int64_t next_ns = 0;
  double bytes = 0;

  void until(std::int64_t end_ns) {
    while (next_ns < end_ns) {
      next_ns += limits.take(mb / 10, volume, from, to, next_ns).count();
      bytes += next_ns < end_ns ? mb / 10 : 0;
    }
  }
};

double rate_of_one(move_rates x) {
  move_limits limits{x, 0};
  copier one{limits, 1, "a", "b"};
  one.until(20 * second);
  auto saved = one.bytes;
  one.bytes = 0;
  one.until(120 * second);
  CHECK(saved > 0);
  return one.bytes / 100 / mb;
}

} // namespace

TEST_CASE("one copy gets what the tightest of its limits leaves") {
  CHECK(rate_of_one(rates(10, 0, 0, 0)) == doctest::Approx(10).epsilon(0.05));
  CHECK(rate_of_one(rates(10, 4, 0, 0)) == doctest::Approx(4).epsilon(0.05));
  CHECK(rate_of_one(rates(10, 4, 2, 0)) == doctest::Approx(2).epsilon(0.05));
  CHECK(rate_of_one(rates(10, 4, 2, 1)) == doctest::Approx(1).epsilon(0.05));
}

TEST_CASE("a limit binds those who share it and nobody else") {
  for (auto [second_volume, second_from, second_to, shared] : {std::tuple{2, "a", "c", "host"},
                                                               {2, "c", "d", "nothing"},
                                                               {2, "a", "b", "link"},
                                                               {1, "c", "d", "volume"}}) {
    std::string_view what{shared};
    CAPTURE(what);
    move_limits limits{
        rates(0, what == "host" ? 2 : 0, what == "link" ? 2 : 0, what == "volume" ? 2 : 0), 0};
    bool any = what != "nothing";
    copier x{limits, 1, "a", "b"};
    copier y{limits, static_cast<std::uint64_t>(second_volume), second_from, second_to};
    if (!any) {
      CHECK(limits.take(1000 * mb, 1, "a", "b", 0).count() == 0);
      CHECK(limits.take(1000 * mb, 1, "a", "b", 0).count() == 0);
      continue;
    }
    for (std::int64_t t = 0; t < 100; ++t) {
      x.until(t * second);
      y.until(t * second);
    }
    CHECK((x.bytes + y.bytes) / 99 / mb == doctest::Approx(2).epsilon(0.1));
  }
}

TEST_CASE("what copies of one volume, or of one host, get at most is told") {
  CHECK(move_rates{.cell = 0}.of_one() == 0);
  CHECK(move_rates{.cell = 9, .host = 5, .link = 7, .volume = 8}.of_one() == 5);
  CHECK(move_rates{.cell = 9, .host = 0, .link = 7, .volume = 0}.of_one() == 7);
  CHECK(move_rates{.cell = 9, .host = 5, .link = 1, .volume = 1}.of_host() == 5);
}

TEST_CASE("buckets that owe nothing are forgotten") {
  move_limits limits{rates(0, 0, 0, 1), 0};
  for (std::uint64_t v = 0; v < 100'000; ++v)
    (void)limits.take(mb, v, "a", "b", static_cast<std::int64_t>(v) * second / 100);
  CHECK(limits.buckets() < 3000);
}
