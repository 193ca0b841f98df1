// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/door/door_fixture.hpp"

#include <algorithm>
#include <future>
#include <iostream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

using namespace foreshift;
using namespace foreshift::door;
using namespace foreshift::door::test;

TEST_CASE_FIXTURE(fixture, "door: a message makes the round trip over a unix socket and over TCP") {
  for (const auto& address : {"unix:" + dir / "door.sock", std::string{"127.0.0.1:0"}}) {
    CAPTURE(address);
    peer seen;
    auto uut = serve({.address = address}, [&](envelope request, const peer& from, answer reply) {
      seen = from;
      request.type += 1;
      reply(std::move(request));
    });
    auto caller = uut->port() == 0 ? dial(address) : dial(*uut);
    auto got = caller->call(text("hello", 41), patience);
    REQUIRE(got);
    CHECK(got->type == 42);
    CHECK(words(*got) == "hello");
    CHECK(seen.role == "local");
    CHECK(seen.name.empty());
  }
}

TEST_CASE_FIXTURE(fixture, "door: a typed request gets a typed answer, another type is malformed") {
  auto uut = serve({.address = "127.0.0.1:0"}, [](envelope, const peer&, answer reply) {
    reply(wrap(packet<schema::Pong>::make([](auto root) { root.setName("host-a"); })));
  });
  auto caller = dial(*uut);
  auto pong = caller->ask<schema::Pong>(packet<schema::Ping>{}, patience);
  REQUIRE(pong);
  CHECK(std::string_view{pong->read().getName().cStr()} == "host-a");
  auto other = caller->ask<schema::Ping>(packet<schema::Ping>{}, patience);
  REQUIRE_FALSE(other);
  CHECK(other.error().code == errc::malformed);
}

TEST_CASE_FIXTURE(fixture, "door: a fault crosses with its code and sentence") {
  auto uut = serve({.address = "127.0.0.1:0"}, [](envelope, const peer&, answer reply) {
    reply(fault{errc::no_space, "host-c is full"});
  });
  auto got = dial(*uut)->call(text("x"), patience);
  REQUIRE_FALSE(got);
  CHECK(got.error() == fault{errc::no_space, "host-c is full"});
}

TEST_CASE_FIXTURE(fixture, "door: an unknown fault code from a newer peer reads as failed") {
  auto raw = wrap(packet<schema::Fault>::make([](auto root) { root.setCode(999); }));
  CHECK(as_fault(raw)->code == errc::failed);
  CHECK_FALSE(as_fault(text("x")));
}

TEST_CASE_FIXTURE(fixture, "door: a message of 8 MiB passes and one byte more is refused") {
  auto uut = serve({.address = "127.0.0.1:0"});
  auto caller = dial(*uut);
  envelope big{7, std::vector<std::byte>(packet_bytes_max, std::byte{0x5a})};
  auto got = caller->call(big, patience);
  REQUIRE(got);
  CHECK(got->payload == big.payload);
  big.payload.push_back({});
  got = caller->call(big, patience);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::too_large);
}

TEST_CASE_FIXTURE(fixture, "door: an answer that is too large arrives as a fault") {
  auto uut = serve({.address = "127.0.0.1:0"}, [](envelope, const peer&, answer reply) {
    reply(envelope{1, std::vector<std::byte>(packet_bytes_max + 8)});
  });
  auto caller = dial(*uut);
  auto got = caller->call(text("x"), patience);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::too_large);
}

TEST_CASE_FIXTURE(fixture, "door: a request without an answer times out, a later one works") {
  holding_service slow;
  auto uut = serve({.address = "127.0.0.1:0"}, slow.get());
  auto caller = dial(*uut);
  auto got = caller->call(text("x"), 20ms);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::timeout);
  CHECK(got.error().detail.find(caller->address()) != std::string::npos);
  auto fast = serve({.address = "127.0.0.1:0"});
  CHECK(dial(*fast)->call(text("x"), patience));
}

TEST_CASE_FIXTURE(fixture, "door: nobody at the address is unreachable and names it") {
  std::string address;
  {
    auto gone = serve({.address = "127.0.0.1:0"});
    address = "127.0.0.1:" + std::to_string(gone->port());
  }
  for (const auto& at : {address, "unix:" + dir / "nobody.sock"}) {
    auto got = dial(at)->call(text("x"), patience);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::unreachable);
    CHECK(got.error().detail.find(at) != std::string::npos);
  }
}

TEST_CASE_FIXTURE(fixture, "door: a client finds a server again that has restarted") {
  auto address = "unix:" + dir / "door.sock";
  auto caller = dial(address);
  CHECK(caller->call(text("x"), patience).error().code == errc::unreachable);
  for (int life = 0; life < 3; ++life) {
    CAPTURE(life);
    auto uut = serve({.address = address});
    // The first call may still meet the old connection, which nobody has read the end of yet.
    auto got = caller->call(text("again"), patience);
    if (!got) {
      CHECK(got.error().code == errc::unreachable);
      got = caller->call(text("again"), patience);
    }
    REQUIRE(got);
    CHECK(words(*got) == "again");
  }
}

TEST_CASE_FIXTURE(fixture, "door: a lost connection answers what was in flight with unreachable") {
  holding_service slow;
  auto uut = serve({.address = "127.0.0.1:0"}, slow.get());
  auto caller = dial(*uut);
  std::promise<result<envelope>> first;
  caller->call(text("x"), patience, [&](result<envelope> got) { first.set_value(std::move(got)); });
  while (slow.count() == 0)
    std::this_thread::yield();
  uut.reset();
  auto got = first.get_future().get();
  REQUIRE_FALSE(got);
  CHECK((got.error().code == errc::unreachable || got.error().code == errc::canceled));
  for (auto& late : slow.take())
    late(text("nobody hears this"));
}

TEST_CASE_FIXTURE(fixture, "door: a destroyed client answers each call in flight once") {
  holding_service slow;
  auto uut = serve({.address = "127.0.0.1:0"}, slow.get());
  auto caller = dial(*uut);
  constexpr std::size_t calls = 50;
  std::vector<int> answers(calls);
  std::vector<errc> codes(calls);
  for (std::size_t i = 0; i < calls; ++i)
    caller->call(text("x"), patience, [&, i](result<envelope> got) {
      ++answers[i];
      codes[i] = got ? errc::ok : got.error().code;
    });
  while (slow.count() < calls)
    std::this_thread::yield();
  caller.reset();
  CHECK(answers == std::vector<int>(calls, 1));
  CHECK(codes == std::vector<errc>(calls, errc::canceled));
}

TEST_CASE_FIXTURE(fixture, "door: only the first answer to a request counts") {
  auto uut = serve({.address = "127.0.0.1:0"}, [](envelope, const peer&, answer reply) {
    reply(text("first"));
    reply(text("second"));
    std::thread{[reply] { reply(text("third")); }}.join();
  });
  auto caller = dial(*uut);
  for (int i = 0; i < 3; ++i) {
    auto got = caller->call(text("x"), patience);
    REQUIRE(got);
    CHECK(words(*got) == "first");
  }
}

TEST_CASE_FIXTURE(fixture, "door: a service that drops a request answers it with failed") {
  auto uut = serve({.address = "127.0.0.1:0"}, [](envelope, const peer&, answer) {});
  auto got = dial(*uut)->call(text("x"), patience);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::failed);
}

TEST_CASE_FIXTURE(fixture, "door: more requests than the limit are busy") {
  holding_service slow;
  auto uut = serve({.address = "127.0.0.1:0", .requests_max = 2}, slow.get());
  auto caller = dial(*uut);
  std::promise<void> both;
  std::atomic<int> left = 2;
  for (int i = 0; i < 2; ++i)
    caller->call(text("x"), patience, [&](result<envelope> got) {
      CHECK(got);
      if (--left == 0)
        both.set_value();
    });
  auto third = caller->call(text("x"), patience);
  REQUIRE_FALSE(third);
  CHECK(third.error().code == errc::busy);
  for (auto& reply : slow.take())
    reply(text("done"));
  both.get_future().get();
}

TEST_CASE_FIXTURE(fixture, "door: many threads share one client") {
  auto uut = serve({.address = "unix:" + dir / "door.sock"});
  auto caller = dial("unix:" + dir / "door.sock");
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        auto mine = std::to_string(t) + "/" + std::to_string(i);
        auto got = caller->call(text(mine), patience);
        good += got && words(*got) == mine;
      }
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(good == 400);
}

TEST_CASE_FIXTURE(fixture,
                  "door: a unix socket is for its owner only and goes away with the server") {
  auto path = dir / "door.sock";
  struct stat file {};
  {
    auto uut = serve({.address = "unix:" + path});
    REQUIRE(::stat(path.c_str(), &file) == 0);
    CHECK((file.st_mode & 0777) == 0600);
  }
  CHECK(::stat(path.c_str(), &file) != 0);
}

TEST_CASE_FIXTURE(fixture, "door: a stale socket file is replaced, a live one is busy") {
  auto path = dir / "door.sock";
  int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, path.c_str());
  REQUIRE(::bind(dead, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
  ::close(dead); // the file stays, as after kill -9
  auto uut = serve({.address = "unix:" + path});
  auto second = server::open(io, {.address = "unix:" + path}, echo());
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::busy);
  CHECK(dial("unix:" + path)->call(text("x"), patience));
}

TEST_CASE_FIXTURE(fixture, "door: an address that makes no sense is invalid") {
  for (const char* address : {"", "7400", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000",
                              "unix:", "host.example:1x", "[::1:80"}) {
    CAPTURE(address);
    auto uut = server::open(io, {.address = address}, echo());
    REQUIRE_FALSE(uut);
    CHECK(uut.error().code == errc::invalid);
  }
}

TEST_CASE_FIXTURE(fixture, "door: a port that is taken is a storage fault naming it") {
  auto uut = serve({.address = "127.0.0.1:0"});
  auto taken = "127.0.0.1:" + std::to_string(uut->port());
  auto second = server::open(io, {.address = taken}, echo());
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::storage);
  CHECK(second.error().detail.find(taken) != std::string::npos);
}

TEST_CASE_FIXTURE(fixture,
                  "door: a server and a client may be destroyed from within their callbacks") {
  std::unique_ptr<server> uut;
  std::promise<void> served;
  uut = serve({.address = "127.0.0.1:0"}, [&](envelope, const peer&, answer reply) {
    reply(text("bye"));
    uut.reset();
    served.set_value();
  });
  auto caller = dial(*uut);
  std::promise<void> heard;
  caller->call(text("x"), patience, [&](result<envelope>) {
    caller.reset();
    heard.set_value();
  });
  served.get_future().get();
  heard.get_future().get();
}

TEST_CASE_FIXTURE(fixture, "door: round trips are measured" * doctest::skip()) {
  io_thread server_io;
  for (const auto& address : {"unix:" + dir / "door.sock", std::string{"127.0.0.1:0"}}) {
    auto uut = server::open(server_io, {.address = address}, echo());
    REQUIRE(uut);
    auto caller = (*uut)->port() == 0 ? dial(address) : dial(**uut);
    std::vector<double> took_us;
    for (int i = 0; i < 20'000; ++i) {
      auto start = std::chrono::steady_clock::now();
      REQUIRE(caller->call(text("0123456789abcdef"), patience));
      took_us.push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
              .count());
    }
    std::sort(took_us.begin(), took_us.end());
    std::cout << address << " p50 " << took_us[took_us.size() / 2] << " us, p99 "
              << took_us[took_us.size() * 99 / 100] << " us\n";
  }
}
