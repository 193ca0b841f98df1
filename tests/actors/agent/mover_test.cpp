// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/mover.hpp"
#include "core/volume/roaring_codec.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mib = 1u << 20;

packet<schema::AgentMove> order(std::uint64_t move, unsigned extents, std::uint64_t rate = 0) {
  return packet<schema::AgentMove>::make([&](auto root) {
    root.setVolume(1);
    root.setMove(move);
    root.setRateBytes(rate);
    root.initSource().setName("host-b");
    auto list = root.initExtents(extents);
    for (unsigned i = 0; i < extents; ++i)
      list.set(i, 10 * i);
  });
}

struct mover_fixture : test::agent_fixture {
  mover_options options = [] {
    mover_options out;
    out.rate_bytes = 16.0 * mib;
    return out;
  }();
  mover_actor uut = system.spawn<mover>(plane, clock, options);

  // Unanswered promises keep their actor alive.
  ~mover_fixture() { caf::anon_send_exit(uut, caf::exit_reason::kill); }

  std::uint64_t rate() {
    return ask<packet<schema::AgentStatus>>(uut, packet<schema::AgentStatusGet>{})
        .read()
        .getMoveRateNow();
  }
};

} // namespace

TEST_CASE_FIXTURE(mover_fixture,
                  "a move within the saved-up burst is copied at once, a few extents "
                  "at a time") {
  auto got = ask<packet<schema::AgentMoved>>(uut, order(1, 4));
  CHECK(got.read().getBytesCopied() == 4 * mib);
  CHECK(got.read().getThrottledUs() == 0);
  REQUIRE(plane_does->pulls.size() == 1);
  CHECK(plane_does->pulls[0] == std::vector<std::uint32_t>{0, 10, 20, 30});
}

TEST_CASE_FIXTURE(mover_fixture,
                  "a resync compares many unchanged extents at a time and few changed ones") {
  auto resync = packet<schema::AgentMove>::make([](auto root) {
    root.setVolume(1);
    root.setMove(9);
    auto list = root.initExtents(300);
    for (unsigned i = 0; i < 300; ++i)
      list.set(i, i);
    roaring::Roaring changed;
    changed.addRange(290, 300);
    auto bytes = encode_roaring(changed);
    root.setChanged(kj::arrayPtr(bytes.data(), bytes.size()));
  });
  auto pending = self->request(uut, caf::infinite, resync);
  pass(60s, 100ms);
  REQUIRE(plane_does->pulls.size() >= 2);
  CHECK(plane_does->pulls[0].size() == 256);
  CHECK(plane_does->pulls[1].back() == 293); // four of the changed ones
  CHECK(plane_does->changed_bytes == resync.read().getChanged().size());
  pending.receive([](const packet<schema::AgentMoved>&) {},
                  [](const caf::error& why) { FAIL(to_fault(why).detail); });
  std::size_t all = 0;
  for (auto& pull : plane_does->pulls)
    all += pull.size();
  CHECK(all == 300);
}

TEST_CASE_FIXTURE(mover_fixture, "a long move takes the time its rate allows") {
  auto pending = self->request(uut, caf::infinite, order(1, 36));
  settle();
  CHECK(plane_does->pulls.size() == 2); // the burst of a quarter second, and then it waits
  pass(1s, 10ms);
  auto copied = plane_does->pulls.size() * 4 * mib;
  CHECK(copied >= 16 * mib);
  CHECK(copied <= 28 * mib);
  CHECK_FALSE(self->has_next_message());
  pass(1s, 10ms);
  REQUIRE(self->has_next_message());
  pending.receive(
      [&](const packet<schema::AgentMoved>& x) {
        CHECK(x.read().getBytesCopied() == 36 * mib);
        CHECK(x.read().getThrottledUs() > 1'000'000);
        CHECK(x.read().getTookUs() >= x.read().getThrottledUs());
      },
      [](const caf::error& why) { FAIL(to_fault(why).detail); });
}

TEST_CASE_FIXTURE(mover_fixture, "only a move's last pull asks for the disk to be synced") {
  auto pending = self->request(uut, caf::infinite, order(1, 10));
  pass(2s, 10ms);
  REQUIRE(self->has_next_message());
  pending.receive([](const packet<schema::AgentMoved>&) {},
                  [](const caf::error& why) { FAIL(to_fault(why).detail); });
  CHECK(plane_does->more == std::vector<bool>{true, true, false});
}

TEST_CASE_FIXTURE(mover_fixture, "a quick copy pulls more at once than a slow one") {
  options.rate_bytes = 128.0 * mib;
  auto quick = system.spawn<mover>(plane, clock, options);
  auto pending = self->request(quick, caf::infinite, order(1, 20));
  settle();
  pass(2s, 10ms);
  REQUIRE(self->has_next_message());
  pending.receive([](const packet<schema::AgentMoved>&) {},
                  [](const caf::error& why) { FAIL(to_fault(why).detail); });
  REQUIRE(plane_does->pulls.size() == 3);
  CHECK(plane_does->pulls[0].size() == 8);
  CHECK(plane_does->pulls[2].size() == 4);
  caf::anon_send_exit(quick, caf::exit_reason::kill);
}

TEST_CASE_FIXTURE(mover_fixture, "an order's own limit is kept below the host's") {
  auto pending = self->request(uut, caf::infinite, order(1, 12, 4 * mib));
  settle();
  CHECK(plane_does->pulls.size() == 1);
  pass(1100ms, 10ms);
  CHECK(plane_does->pulls.size() == 2);
  pass(1s, 10ms);
  CHECK(plane_does->pulls.size() == 3);
  REQUIRE(self->has_next_message());
  pending.receive([](const packet<schema::AgentMoved>&) {},
                  [](const caf::error& why) { FAIL(to_fault(why).detail); });
}

TEST_CASE_FIXTURE(mover_fixture, "the coordinator's limit holds for the host") {
  self->send(uut, packet<schema::HostWelcome>::make([](auto x) { x.setMoveRateBytes(2 * mib); }));
  settle();
  CHECK(rate() == 2 * mib);
}

TEST_CASE_FIXTURE(mover_fixture,
                  "a data plane that is down fails the move with its reason, and the "
                  "mover takes the next") {
  plane_does->up = false;
  auto why = ask_fault<packet<schema::AgentMoved>>(uut, order(1, 4));
  CHECK(why.code == errc::unreachable);
  CHECK(why.detail.find("data plane") != std::string::npos);
  plane_does->up = true;
  CHECK(ask<packet<schema::AgentMoved>>(uut, order(1, 4)).read().getBytesCopied() == 4 * mib);
}

TEST_CASE_FIXTURE(mover_fixture, "the same order asked twice is copied once and answered twice") {
  auto first = self->request(uut, caf::infinite, order(1, 12));
  auto second = self->request(uut, caf::infinite, order(1, 12));
  settle();
  pass(2s, 10ms);
  CHECK(plane_does->pulls.size() == 3);
  int answers = 0;
  auto count = [&](const packet<schema::AgentMoved>&) { ++answers; };
  auto fail = [](const caf::error& why) { FAIL(to_fault(why).detail); };
  REQUIRE(self->has_next_message());
  first.receive(count, fail);
  REQUIRE(self->has_next_message());
  second.receive(count, fail);
  CHECK(answers == 2);
}

TEST_CASE_FIXTURE(mover_fixture, "more moves than may wait are refused as busy") {
  for (std::uint64_t i = 0; i < options.moves_max; ++i)
    self->send(uut, order(100 + i, 40));
  settle();
  CHECK(ask_fault<packet<schema::AgentMoved>>(uut, order(999, 1)).code == errc::busy);
}
