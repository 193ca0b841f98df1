// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/forecasts.hpp"
#include "actors/agent/vault.hpp"
#include "tests/actors/agent/doubles.hpp"
#include "tests/actors/agent/scratch.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t volume = 7;

struct forecasts_fixture : test::agent_fixture {
  test::scratch dir;
  std::shared_ptr<agent_store> store = *open_agent_store({.path = dir.path()});
  std::chrono::nanoseconds cpu{0}; ///< What forecasting has used; tests own this clock too.
  vault_actor keeper = system.spawn<vault>(store, clock, vault_options{});
  forecasts_actor uut = spawn();

  forecasts_actor spawn() {
    forecasts_options options;
    options.book.host = "host-a";
    options.cpu_share = 0.2;
    options.cpu_time = [this] { return cpu; };
    forecasts_actor out = system.spawn<forecasts>(keeper, up, clock, options);
    settle();
    return out;
  }

  void status(schema::LeaseState state) {
    self->send(uut, test::plane_status(volume, state));
    settle();
  }

  /// Ten seconds of reads of one extent.
  void learn(std::uint32_t extent) {
    for (int i = 0; i < 10; ++i) {
      ask<packet<schema::Done>>(uut, test::read_log(volume, clock.wall_ms(), extent, 50));
      pass(1s, 1s);
    }
  }

  packet<schema::ForecastState> taken() {
    return ask<packet<schema::ForecastState>>(
        uut, packet<schema::ForecastTake>::make([](auto x) { x.setVolume(volume); }));
  }

  /// kill -9: the actor is gone without having been asked to store anything.
  void crash() {
    caf::anon_send_exit(uut, caf::exit_reason::kill);
    settle();
    uut = forecasts_actor{};
  }

  std::uint32_t hottest() {
    uplink_does->forecasts.clear();
    pass(2s, 1s);
    REQUIRE_FALSE(uplink_does->forecasts.empty());
    auto extents = uplink_does->forecasts.back().read().getForecast().getExtents();
    REQUIRE(extents.size() > 0);
    return extents[0].getExtent();
  }
};

} // namespace

TEST_CASE_FIXTURE(forecasts_fixture, "a primary volume is forecast, hottest extent first") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  CHECK(hottest() == 42);
  auto x = uplink_does->forecasts.back().read().getForecast();
  CHECK(x.getVolume() == volume);
  CHECK(x.getHost() == "host-a");
  CHECK(x.getTotalReads() > 0);
}

TEST_CASE_FIXTURE(forecasts_fixture, "what was learned survives a crash, less one save interval") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  pass(5s, 1s);
  REQUIRE(hottest() == 42);
  auto before = uplink_does->forecasts.back().read().getForecast();
  auto observed_ms = before.getObservedMs();
  auto active = before.getExtentsActive();
  CHECK(observed_ms >= 9'000);
  crash();
  uut = spawn();
  status(schema::LeaseState::PRIMARY);
  CHECK(hottest() == 42);
  auto after = uplink_does->forecasts.back().read().getForecast();
  CHECK(after.getObservedMs() >= observed_ms);
  CHECK(after.getExtentsActive() == active);
}

TEST_CASE_FIXTURE(forecasts_fixture, "accesses that arrive before the memory is restored are added "
                                     "to it") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  ask<packet<schema::Done>>(uut, flush_order{});
  crash();
  uut = spawn();
  status(schema::LeaseState::PRIMARY);
  ask<packet<schema::Done>>(uut, test::read_log(volume, clock.wall_ms(), 43, 5));
  CHECK(hottest() == 42);
}

TEST_CASE_FIXTURE(forecasts_fixture,
                  "a volume that left is no longer forecast but can be taken along") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  status(schema::LeaseState::DEACTIVATED);
  uplink_does->forecasts.clear();
  pass(4s, 1s);
  CHECK(uplink_does->forecasts.empty());
  CHECK(taken().read().getBody().size() > 0);
}

TEST_CASE_FIXTURE(forecasts_fixture, "a state carried here is used, also when it comes before the "
                                     "volume") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  auto carried = taken();
  crash();
  CHECK(store->put("forecast/7", "", agent_store::durability::process)); // nothing of use here
  uut = spawn();
  ask<packet<schema::Done>>(
      uut, packet<schema::ForecastCarry>::make([&](auto x) { x.setState(carried.read()); }));
  status(schema::LeaseState::PRIMARY);
  CHECK(hottest() == 42);
}

TEST_CASE_FIXTURE(forecasts_fixture,
                  "a damaged memory starts the forecast anew instead of ending it") {
  CHECK(store->put("forecast/7", "rubbish!", agent_store::durability::process));
  status(schema::LeaseState::PRIMARY);
  learn(5);
  CHECK(hottest() == 5);
}

TEST_CASE_FIXTURE(forecasts_fixture, "an unknown volume has no state to take") {
  auto why = ask_fault<packet<schema::ForecastState>>(
      uut, packet<schema::ForecastTake>::make([](auto x) { x.setVolume(99); }));
  CHECK(why.code == errc::not_found);
}

TEST_CASE_FIXTURE(forecasts_fixture, "a carried state that is no state is refused") {
  status(schema::LeaseState::PRIMARY);
  learn(1);
  auto why = ask_fault<packet<schema::Done>>(
      uut, packet<schema::ForecastCarry>::make([](auto x) { x.initState().setVolume(volume); }));
  CHECK(why.code == errc::malformed);
}

TEST_CASE_FIXTURE(forecasts_fixture, "forecasting stays within its share of the CPU (I8)") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  uplink_does->forecasts.clear();
  pass(20s, 1s);
  auto at_ease = uplink_does->forecasts.size();
  CHECK(at_ease >= 9);
  // Each prediction takes two seconds of CPU from now on: a fifth of a core bears one in ten
  // seconds.
  uplink_does->forecasts.clear();
  for (std::size_t seen = 0, i = 0; i < 100; ++i) {
    pass(1s, 1s);
    cpu += 2s * (uplink_does->forecasts.size() - seen);
    seen = uplink_does->forecasts.size();
  }
  CHECK(uplink_does->forecasts.size() >= 8);
  CHECK(uplink_does->forecasts.size() <= 13);
}

TEST_CASE_FIXTURE(forecasts_fixture,
                  "who brings more accesses than the CPU's share can learn is made to wait") {
  status(schema::LeaseState::PRIMARY);
  learn(42);
  cpu += 1s; // three seconds' worth more than was saved up
  auto pending = self->request(uut, caf::infinite, test::read_log(volume, clock.wall_ms(), 43, 5));
  settle();
  CHECK_FALSE(self->has_next_message());
  pass(5s, 100ms);
  REQUIRE(self->has_next_message());
  pending.receive([](const packet<schema::Done>&) {},
                  [](const caf::error& why) { FAIL(to_fault(why).detail); });
}
