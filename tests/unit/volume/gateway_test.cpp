// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tests/unit/volume/gateway_fixture.hpp"

#include <future>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

TEST_CASE("an acknowledged write is on every replica and reads come back") {
  gateway_fixture x{{"a", "b", "c"}, 3};
  x.attach();
  REQUIRE(x.gate->write(1, 65536 - 512, filled(1024, 42)));
  for (auto& [name, host] : x.hosts) {
    auto content = host->content();
    CHECK(content[65536 - 512] == std::byte{42});
    CHECK(content[65536 + 511] == std::byte{42});
    CHECK(content[65536 + 512] == std::byte{0});
  }
  std::vector<std::byte> out(1024);
  REQUIRE(x.gate->read(1, 65536 - 512, out));
  CHECK(out == filled(1024, 42));
  REQUIRE(x.gate->zero(1, 65536 - 512, 1024));
  CHECK(x.hosts["c"]->content() == filled(x.shape.size_bytes, 0));
  CHECK(x.intents->of(7).empty());
  CHECK(x.gate->reads_local() == 1);
}

TEST_CASE("a flush reaches every host that was written and none that was not") {
  gateway_fixture x{{"a", "b", "c"}, 2};
  x.attach();
  REQUIRE(x.gate->flush()); // A new holder cannot know what is unflushed.
  auto before = std::map<std::string, std::uint64_t>{};
  for (auto& [name, host] : x.hosts) {
    CHECK(host->flushes() == 1);
    before[name] = host->flushes();
  }
  REQUIRE(x.gate->flush());
  REQUIRE(x.gate->write(1, 0, filled(4096, 1)));
  REQUIRE(x.gate->flush());
  auto homes = home_of(x.shape, 0);
  for (auto& [name, host] : x.hosts) {
    bool written = std::find(homes.begin(), homes.end(), name) != homes.end();
    CHECK(host->flushes() == before[name] + (written ? 1 : 0));
  }
}

TEST_CASE("draining flushes what this holder wrote and nothing on an idle volume") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  REQUIRE(x.gate->drain(1));
  CHECK(x.hosts["b"]->flushes() == 0);
  x.attach(2);
  REQUIRE(x.gate->write(1, 0, filled(512, 1)));
  REQUIRE(x.gate->drain(2));
  CHECK(x.hosts["a"]->flushes() == 1);
  CHECK(x.hosts["b"]->flushes() == 1);
}

TEST_CASE("a gateway that is not attached refuses requests") {
  gateway_fixture x{{"a"}, 1};
  std::vector<std::byte> out(512);
  CHECK(x.gate->read(1, 0, out).error().code == errc::refused);
  x.attach();
  x.gate->release(1);
  CHECK(x.gate->state() == LeaseState::DEACTIVATED);
  CHECK(x.gate->write(1, 0, out).error().code == errc::refused);
}

TEST_CASE("requests of a standby are held until it serves") {
  gateway_fixture x{{"a", "b"}, 2};
  REQUIRE(x.gate->standby(1, x.map, {}));
  auto held = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(512, 9)); });
  eventually([&] { return x.gate->held() == 1; });
  CHECK(x.hosts["a"]->writes() == 0);
  x.promote(1, "a");
  x.gate->serve(1);
  CHECK(held.get());
  CHECK(x.hosts["b"]->content()[511] == std::byte{9});
}

TEST_CASE("held requests fail when the hold time is over") {
  gateway_fixture x{{"a"}, 1};
  REQUIRE(x.gate->standby(1, x.map, {}));
  auto held = std::async(std::launch::async, [&] {
    std::vector<std::byte> out(512);
    return x.gate->read(1, 0, out);
  });
  eventually([&] { return x.gate->held() == 1; });
  x.clock.advance(31s);
  x.gate->recheck_held();
  CHECK(held.get().error().code == errc::timeout);
  CHECK(x.hosts["a"]->writes() == 0);
}

TEST_CASE("a write that a newer epoch refuses is not acknowledged and deactivates the gateway") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  REQUIRE(x.hosts["b"]->promote(2, "c"));
  CHECK(x.gate->write(1, 0, filled(512, 1)).error().code == errc::refused);
  CHECK(x.gate->state() == LeaseState::DEACTIVATED);
  std::vector<std::byte> out(512);
  CHECK(x.gate->read(1, 0, out).error().code == errc::refused);
}

TEST_CASE("reads survive a failing replica") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  REQUIRE(x.gate->write(1, 0, filled(4096, 5)));
  x.hosts["a"]->break_with({errc::corrupt, "block 0 does not match"});
  std::vector<std::byte> out(4096);
  REQUIRE(x.gate->read(1, 0, out));
  CHECK(out == filled(4096, 5));
  CHECK(x.gate->reads_remote() == 1);
  CHECK(x.gate->state() == LeaseState::PRIMARY);
}

TEST_CASE("a write waits for a lost replica and goes on when it is back") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  x.hosts["b"]->break_with({errc::unreachable, "gone"});
  std::atomic<int> tries{0};
  x.hosts["b"]->before_write = [&](std::uint64_t) { ++tries; };
  auto write = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(512, 3)); });
  eventually([&] { return tries > 2; });
  x.hosts["b"]->heal();
  CHECK(write.get());
  CHECK(x.hosts["b"]->content()[0] == std::byte{3});
}

TEST_CASE("a write that failed on one replica is made equal again before the lease is given up") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  x.hosts["b"]->break_with({errc::no_space, "full"});
  auto write =
      std::async(std::launch::async, [&] { return x.gate->write(1, 8192, filled(512, 3)); });
  eventually([&] { return !x.suspects.now().suspects.empty(); });
  x.clock.advance(31s);
  CHECK(write.get().error().code == errc::storage); // full, while the other is not
  CHECK(x.gate->torn() == 1);
  CHECK_FALSE(x.gate->drain(1));
  x.hosts["b"]->heal();
  REQUIRE(x.gate->drain(1));
  CHECK(x.gate->torn() == 0);
  CHECK(x.hosts["a"]->content() == x.hosts["b"]->content());
}

TEST_CASE("overlapping writes end in the same order at every replica") {
  gateway_fixture x{{"a", "b", "c"}, 3};
  x.attach();
  std::vector<std::thread> writers;
  for (int i = 1; i <= 4; ++i)
    writers.emplace_back([&x, i] {
      for (int round = 0; round < 200; ++round)
        REQUIRE(
            x.gate->write(1, static_cast<std::uint64_t>(round % 5) * 700, filled(3000, i * 40)));
    });
  for (auto& writer : writers)
    writer.join();
  CHECK(x.hosts["a"]->content() == x.hosts["b"]->content());
  CHECK(x.hosts["a"]->content() == x.hosts["c"]->content());
}

TEST_CASE("after a crash the ranges being written are made equal before anything is served") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  REQUIRE(x.gate->write(1, 0, filled(8192, 1)));
  // The process dies between the first and the second replica of a write.
  x.intents->begin(7, 100, 200);
  REQUIRE(x.hosts["a"]->write({1, 0}, 100, filled(200, 2)));
  x.restart();
  CHECK(x.gate->resume(LeaseState::PRIMARY, 1, x.map, {}));
  auto read = std::async(std::launch::async, [&] {
    std::vector<std::byte> out(4096);
    REQUIRE(x.gate->read(1, 0, out));
    return x.hosts["a"]->content() == x.hosts["b"]->content();
  });
  eventually([&] { return x.gate->held() == 1; });
  REQUIRE(x.gate->recover());
  CHECK(read.get());
  CHECK(x.intents->of(7).empty());
}

TEST_CASE("a holder that was cut off or restarted does not read what it has alone") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  REQUIRE(x.gate->write(1, 0, filled(4096, 1)));
  std::vector<std::byte> out(4096);
  REQUIRE(x.gate->read(1, 0, out));
  // Left out by a forced flip, a is not fenced; b is, and has newer data.
  REQUIRE(x.hosts["b"]->promote(2, "b"));
  REQUIRE(x.hosts["b"]->write({2, 0}, 0, filled(4096, 2)));
  SUBCASE("after its read lease") {
    x.clock.advance(read_lease);
    CHECK(x.gate->read(1, 0, out).error().code == errc::refused);
    CHECK(x.gate->state() == LeaseState::DEACTIVATED);
  }
  SUBCASE("after a restart at once") {
    x.gate = x.make_gate("a");
    CHECK_FALSE(x.gate->resume(LeaseState::PRIMARY, 1, x.map, {}));
    CHECK(x.gate->read(1, 0, out).error().code == errc::refused);
  }
  SUBCASE("while it cannot ask, it waits") {
    x.hosts["b"]->break_with({errc::unreachable, "cut"});
    x.clock.advance(read_lease);
    auto read = std::async(std::launch::async, [&] { return x.gate->read(1, 0, out); });
    eventually([&] { return !x.suspects.now().suspects.empty(); });
    x.clock.advance(31s);
    CHECK(read.get().error().code == errc::unreachable);
  }
}

TEST_CASE("a write that fails while its holder drains leaves nothing to be mended behind") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  x.hosts["b"]->break_with({errc::unreachable, "gone"});
  auto write =
      std::async(std::launch::async, [&] { return x.gate->write(1, 8192, filled(512, 3)); });
  eventually([&] { return !x.suspects.now().suspects.empty(); });
  CHECK_FALSE(x.gate->drain(1)); // from now on the write is held
  x.hosts["b"]->heal();
  REQUIRE(x.gate->drain(1));
  SUBCASE("held for too long") {
    x.clock.advance(31s);
    CHECK_FALSE(write.get());
    x.gate->release(1);
  }
  SUBCASE("held until the lease has gone") {
    x.gate->release(1);
    CHECK_FALSE(write.get());
  }
  CHECK(x.gate->torn() == 0);
  CHECK(x.intents->empty());
  CHECK(x.hosts["a"]->content() == x.hosts["b"]->content());
}

TEST_CASE("what a former process left noted ends with its lease") {
  gateway_fixture x{{"a", "b"}, 2};
  x.intents->begin(7, 100, 200);
  x.restart();
  CHECK(x.gate->resume(LeaseState::PRIMARY, 1, x.map, {}));
  x.gate->release(1);
  CHECK(x.intents->empty());
}

TEST_CASE("a primary goes on while the same host stands by for a later epoch") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach(1);
  REQUIRE(x.gate->standby(3, x.map, {}));
  CHECK(x.gate->state() == LeaseState::PRIMARY);
  REQUIRE(x.gate->write(1, 0, filled(512, 1)));
  CHECK(x.gate->standing_by(3));
  REQUIRE(x.gate->drain(1));
  x.promote(3, "a");
  x.gate->serve(3);
  CHECK(x.gate->epoch() == 3);
  REQUIRE(x.gate->write(1, 0, filled(512, 2)));
  CHECK(x.gate->standby(2, x.map, {}).error().code == errc::refused);
}

TEST_CASE(
    "every client request is noted with its time, extent and whether it stayed on this host") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  x.clock.advance(5ms);
  std::vector<std::byte> out(4096);
  REQUIRE(x.gate->write(3, 8192, out));
  REQUIRE(x.gate->read(4, 65536, out));
  auto notes = x.log.take(10);
  REQUIRE(notes.size() == 2);
  CHECK(notes[0] == access_note{5'000'001, 16, 4096, 3, 0, access_op::write, true});
  CHECK(notes[1] == access_note{5'000'001, 128, 4096, 4, 0, access_op::read, true});
}

TEST_CASE("an idle volume drains at once and a busy one does not") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  CHECK(x.gate->drain_if_idle(1));
  CHECK(x.gate->state() == LeaseState::DRAINING);
  CHECK_FALSE(x.gate->drain_if_idle(2));
  x.attach(2);
  REQUIRE(x.gate->write(1, 0, filled(512, 1)));
  CHECK_FALSE(x.gate->drain_if_idle(2)); // Something must be flushed first.
  REQUIRE(x.gate->drain(2));
  CHECK(x.gate->drain_if_idle(2));
}
