// SPDX-License-Identifier: Apache-2.0
#include "core/vm/ram_pace.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace foreshift;

namespace {

constexpr double link_rate = 100e6;

/// A guest with one request at a time on a link that it shares with a RAM stream.
struct shared_link {
  ram_pace uut;
  ram_look now{};
  double limit = 0;          ///< 0: none.
  double slowed_by_ram = 10; ///< How much longer a request takes when the link is full.
  double slowed_anyway = 1;
  double usual_ns = 200'000;

  explicit shared_link(ram_pace_options options = {}) : uut(options) {
    now.now_us = 1'000'000;
    pass(1, 0);
    uut.quiet(now.guest);
    pass(1, 0);
    uut.quiet(now.guest);
  }

  double rate() const { return limit > 0 ? std::min(limit, link_rate) : link_rate; }
  double slowdown(double load) const {
    return slowed_anyway * (load > 0.6 ? 1 + (slowed_by_ram - 1) * (load - 0.6) / 0.4 : 1);
  }
  void pass(double seconds, double bytes_per_s) {
    auto each = usual_ns * (bytes_per_s > 0 ? slowdown(bytes_per_s / link_rate) : 1);
    auto n = static_cast<std::uint64_t>(seconds * 1e9 / each);
    now.now_us += static_cast<std::int64_t>(seconds * 1e6);
    now.guest.requests += n;
    now.guest.busy_ns += static_cast<std::int64_t>(static_cast<double>(n) * each);
    now.sent_bytes += static_cast<std::uint64_t>(seconds * bytes_per_s);
  }
  /// So many looks, a tenth of a second each.
  void stream(int looks) {
    for (int i = 0; i < looks; ++i) {
      if (auto next = uut.look(now))
        limit = static_cast<double>(*next);
      pass(0.1, rate());
    }
  }
};

} // namespace

TEST_CASE("a stream that disturbs nobody goes as fast as it can") {
  shared_link link;
  link.slowed_by_ram = 1.2;
  link.stream(50);
  CHECK(link.limit == 0);
  CHECK(link.uut.link() == doctest::Approx(link_rate).epsilon(0.05));
}

TEST_CASE("a stream that slows the guest down yields until the guest is as fast as agreed") {
  shared_link link;
  link.stream(30);
  CHECK(link.limit > 0.25 * link_rate);
  CHECK(link.limit < 0.8 * link_rate);
  double sum = 0;
  for (int i = 0; i < 50; ++i) {
    link.stream(1);
    sum += link.slowdown(link.rate() / link_rate);
  }
  CHECK(sum / 50 < 2.0); // around the 1.5 that it searches
}

TEST_CASE("a guest that hardly gets a request done counts too") {
  shared_link link;
  link.slowed_by_ram = 400; // about one request in a look
  link.stream(10);
  CHECK(link.limit > 0);
}

TEST_CASE("a stream never yields more than a quarter of the link, nor what the guest dirties") {
  shared_link slow;
  slow.slowed_anyway = 3;
  slow.slowed_by_ram = 100;
  slow.stream(10);
  CHECK(slow.limit == doctest::Approx(0.25 * link_rate).epsilon(0.05));
  shared_link dirty;
  dirty.slowed_by_ram = 100;
  dirty.now.dirty_bytes = static_cast<std::uint64_t>(0.4 * link_rate);
  dirty.stream(10);
  CHECK(dirty.limit == doctest::Approx(0.8 * link_rate).epsilon(0.05));
}

TEST_CASE("a limit that does not help the guest is lifted") {
  shared_link link;
  link.slowed_by_ram = 1;
  link.slowed_anyway = 5;
  int limited = 0;
  for (int i = 0; i < 60; ++i) {
    link.stream(1);
    limited += link.limit > 0;
  }
  CHECK(limited > 0);
  CHECK(limited < 15);
}

TEST_CASE("when the guest is quick again the stream takes the link back") {
  shared_link link;
  link.stream(20);
  REQUIRE(link.limit > 0);
  link.slowed_by_ram = 1;
  link.stream(20);
  CHECK(link.limit == 0);
}

TEST_CASE("an idle guest limits nothing, and the operator's bandwidth is kept in any case") {
  shared_link idle;
  idle.usual_ns = 1e12;
  idle.stream(20);
  CHECK(idle.limit == 0);
  shared_link limited{{static_cast<std::uint64_t>(0.5 * link_rate), 0.5}};
  limited.limit = 0.5 * link_rate;
  limited.slowed_anyway = 4;
  for (int i = 0; i < 60; ++i) {
    limited.stream(1);
    CHECK(limited.limit <= 0.5 * link_rate);
    CHECK(limited.limit > 0);
  }
}
