// SPDX-License-Identifier: Apache-2.0
// Copies to hosts where a volume may go, and VMs whose arrival a tool tells of.
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Attached at a, to which nothing follows; background on. c has been visited once.
struct guessing_cell : test_cell {
  explicit guessing_cell(std::uint64_t targets, std::uint64_t budget = 64u << 20) {
    stop();
    rules.hold = 0ms;
    rules.speculation = {targets, budget};
    start();
    for (auto host : {"a", "b", "c"})
      hello(host);
    create();
    REQUIRE(attach("a"));
    REQUIRE(flip("c"));
    REQUIRE(flip("a"));
    forecast("a");
  }
  std::size_t copies_at_c() { return hosts.at("c").replicas.size(); }
  packet<schema::Status> status() {
    return world.ask<packet<schema::Status>>(x.directory,
                                             packet<schema::StatusGet>::make([](auto) {}));
  }
};

} // namespace

TEST_CASE("unless it is asked for, nothing is copied in case") {
  guessing_cell cell{0};
  cell.live(10);
  CHECK(cell.copies_at_c() == 0);
  CHECK(cell.status().read().getSpeculation().getCopiedBytes() == 0);
}

TEST_CASE(
    "what is hot is held at the likeliest host, within the budget, and is used by going there") {
  guessing_cell cell{1, 3u << 20};
  cell.live(10);
  CHECK(cell.copies_at_c() == 3);
  cell.live(10);
  CHECK(cell.copies_at_c() == 3); // and stays
  auto now = cell.status();
  CHECK(now.read().getSpeculation().getCopiedBytes() == 3u << 20);
  CHECK(now.read().getSpeculation().getHeldBytes() == 3u << 20);
  CHECK(now.read().getSpeculation().getWastedBytes() == 0);
  REQUIRE(cell.flip("c"));
  cell.live(2);
  CHECK(cell.status().read().getSpeculation().getUsedBytes() == 3u << 20);
  cell.check_clean();
}

TEST_CASE("copies in case are waste once they are freed") {
  guessing_cell cell{1, 3u << 20};
  cell.live(10);
  REQUIRE(cell.copies_at_c() == 3);
  // Nothing is hot any more.
  cell.world.ask<packet<schema::Done>>(cell.x.board,
                                       packet<schema::ForecastReport>::make([](auto out) {
                                         auto f = out.initForecast();
                                         f.setVolume(1);
                                         f.setHost("a");
                                         f.setHorizonMs(60'000);
                                         f.setTotalReads(0.5);
                                         auto one = f.initExtents(1)[0];
                                         one.setExtent(0);
                                         one.setReads(0.5);
                                       }));
  cell.live(10);
  CHECK(cell.copies_at_c() == 0);
  auto sum = cell.status();
  CHECK(sum.read().getSpeculation().getWastedBytes() == 3u << 20);
  CHECK(sum.read().getSpeculation().getHeldBytes() == 0);
  cell.check_clean();
}

TEST_CASE(
    "a VM that is said to arrive is announced, once, and its host is told before the answer") {
  test_cell cell;
  int told = 0;
  cell.hosts.on_configure = [&](const std::string& host, schema::PlaneConfigure::Reader in) {
    told += host == "c" && in.getExpectMs() > 0;
  };
  cell.create();
  REQUIRE(cell.attach("a"));
  auto expected = [&](const char* host, const char* volume) {
    return cell.world.try_ask<packet<schema::Done>>(
        cell.x.herald, packet<schema::GuestExpected>::make([&](auto out) {
          out.setHost(host);
          out.setDomain("web1");
          out.initVolumes(1).set(0, volume);
        }));
  };
  CHECK(expected("c", "nosuch").error().code == errc::not_found);
  REQUIRE(expected("c", "vol1"));
  CHECK(told >= 1);
  REQUIRE(expected("c", "vol1"));
  REQUIRE(expected("a", "vol1")); // it is there already: nothing to announce
  auto listed = cell.world.ask<packet<schema::Intents>>(
      cell.x.herald, packet<schema::AnnounceList>::make([](auto) {}));
  REQUIRE(listed.read().getIntents().size() == 1);
  CHECK(listed.read().getIntents()[0].getNoCopy());
  CHECK(std::string{listed.read().getIntents()[0].getTo().cStr()} == "c");
}
