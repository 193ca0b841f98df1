// SPDX-License-Identifier: Apache-2.0
#include "core/volume/suspects.hpp"
#include "tests/unit/volume/gateway_fixture.hpp"

#include <doctest/doctest.h>

#include <future>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

namespace {

const fault away{errc::unreachable, "host 'b': connection refused"};

std::vector<std::string> names(const suspect_board& board) {
  std::vector<std::string> out;
  for (const auto& x : board.now().suspects)
    out.push_back(x.host);
  return out;
}

/// The map without `host`, as the coordinator decides it.
placement_map without(gateway_fixture& x, const std::string& host) {
  auto next = placement_map{x.shape}.with_lost(host);
  REQUIRE(next);
  return *next;
}

} // namespace

TEST_CASE("suspects: a change answers whoever waits, at once and with all of it") {
  manual_clock clock;
  suspect_board board{clock};
  auto first = board.now().serial;
  std::vector<suspect_board::report> heard;
  auto listen = [&](const suspect_board::report& x) { heard.push_back(x); };
  board.wait(first, 10s, listen);
  CHECK(heard.empty());
  board.note(7, 3, "b", away);
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].serial != first);
  CHECK(heard[0].suspects == std::vector<suspect>{{7, 3, "b", clock.wall_ms(), away}});
  board.wait(heard[0].serial, 10s, listen);
  clock.advance(1s);
  board.note(7, 3, "b", {errc::timeout, "later"}); // known: the first reason and time stay
  CHECK(heard.size() == 1);
  board.note(8, 1, "b", away);
  REQUIRE(heard.size() == 2);
  CHECK(heard[1].suspects.size() == 2);
  CHECK(heard[1].suspects[0].reason == away);
  board.wait(heard[0].serial, 10s, listen); // asks with an old serial: answered now
  REQUIRE(heard.size() == 3);
  board.clear(7, "b");
  board.clear(7, "b");
  CHECK(names(board) == std::vector<std::string>{"b"});
  CHECK(board.of(8) == std::vector<std::string>{"b"});
}

TEST_CASE("suspects: who waits in vain is answered when the time is over") {
  manual_clock clock;
  suspect_board board{clock};
  int heard = 0;
  board.wait(board.now().serial, 10s, [&](const auto& x) {
    ++heard;
    CHECK(x.suspects.empty());
  });
  clock.advance(9s);
  board.expire();
  CHECK(heard == 0);
  clock.advance(2s);
  board.expire();
  CHECK(heard == 1);
  board.note(7, 1, "b", away);
  CHECK(heard == 1);
}

TEST_CASE(
    "a write that waits for a lost replica names it, and goes on once the map leaves it out") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  x.hosts["b"]->break_with(away);
  auto held = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(4096, 7)); });
  eventually([&] { return names(x.suspects) == std::vector<std::string>{"b"}; });
  auto seen = x.suspects.now().suspects.front();
  CHECK(seen.volume == x.shape.id);
  CHECK(seen.epoch == 1);
  CHECK(held.wait_for(0s) == std::future_status::timeout);
  REQUIRE(x.gate->adopt(1, without(x, "b"), {}, {}));
  CHECK(held.get());
  CHECK(names(x.suspects).empty());
  CHECK(x.gate->flush()); // does not ask b either
  std::vector<std::byte> out(4096);
  CHECK(x.gate->read(1, 0, out));
  CHECK(out == filled(4096, 7));
  CHECK(x.hosts["b"]->writes() == 0);
}

TEST_CASE("a suspicion ends when the replica answers again, with or without requests") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  for (bool idle : {true, false}) {
    x.hosts["b"]->break_with(away);
    auto held = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(512, 7)); });
    eventually([&] { return !names(x.suspects).empty(); });
    if (idle) {
      x.clock.advance(31s);
      CHECK(held.get().error().code == errc::unreachable);
      std::set<std::string> silent;
      x.gate->ask_suspects(silent);
      CHECK(silent == std::set<std::string>{"b"});
      CHECK_FALSE(names(x.suspects).empty());
    }
    x.hosts["b"]->heal();
    if (idle) {
      std::set<std::string> silent;
      x.gate->ask_suspects(silent);
      CHECK(silent.empty());
    } else {
      CHECK(held.get());
    }
    CHECK(names(x.suspects).empty());
  }
}

TEST_CASE("the local disk is a suspect like any other") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  x.hosts["a"]->break_with({errc::storage, "an earlier sync failed"});
  auto held = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(4096, 7)); });
  eventually([&] { return names(x.suspects) == std::vector<std::string>{"a"}; });
  REQUIRE(x.gate->adopt(1, without(x, "a"), {}, {}));
  CHECK(held.get());
  std::vector<std::byte> out(4096);
  CHECK(x.gate->read(1, 0, out));
  CHECK(out == filled(4096, 7));
  CHECK(x.gate->reads_local() == 0);
}

TEST_CASE("without another replica a failed disk is an error at once") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  x.hosts["a"]->break_with({errc::storage, "an earlier sync failed"});
  CHECK(x.gate->write(1, 0, filled(512, 7)).error().code == errc::storage);
}

TEST_CASE("a full replica has failed when others are not full; when all are full it is no_space") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach();
  for (const auto* host : {"a", "b"})
    x.hosts[host]->break_with({errc::no_space, "full"});
  CHECK(x.gate->write(1, 0, filled(512, 7)).error().code == errc::no_space);
  CHECK(names(x.suspects).empty());
  x.hosts["a"]->heal();
  auto held = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(512, 7)); });
  eventually([&] { return names(x.suspects) == std::vector<std::string>{"b"}; });
  REQUIRE(x.gate->adopt(1, without(x, "b"), {}, {}));
  CHECK(held.get());
}

TEST_CASE("a host that has forgotten the lease is a suspect and does not fence the holder") {
  gateway_fixture x{{"a", "b"}, 2};
  x.attach(5);
  x.hosts["b"] = x.make_host("b"); // its disk was replaced
  auto fresh = x.make_gate("a");
  REQUIRE(x.hosts["a"]->promote(6, "a"));
  REQUIRE(fresh->standby(6, x.map, {}));
  fresh->serve(6);
  auto held = std::async(std::launch::async, [&] { return fresh->write(1, 0, filled(512, 7)); });
  eventually([&] { return names(x.suspects) == std::vector<std::string>{"b"}; });
  CHECK(fresh->state() == LeaseState::PRIMARY);
  REQUIRE(fresh->adopt(6, without(x, "b"), {}, {}));
  CHECK(held.get());
}

TEST_CASE("a standby does not connect to a host that is lost") {
  gateway_fixture x{{"a", "b"}, 2};
  x.hosts["b"]->break_with(away);
  auto fresh = x.make_gate("a");
  REQUIRE(fresh->standby(1, without(x, "b"), {}));
  x.promote(1, "a");
  fresh->serve(1);
  CHECK(fresh->write(1, 0, filled(512, 7)));
  CHECK(fresh->flush());
}
