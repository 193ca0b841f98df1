// SPDX-License-Identifier: Apache-2.0
// What strangers may send to a door.
#include "tests/unit/door/door_fixture.hpp"

#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <random>
#include <sys/socket.h>

using namespace foreshift;
using namespace foreshift::door;
using namespace foreshift::door::test;

namespace {

/// A plain TCP connection.
class stranger {
public:
  explicit stranger(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  }
  ~stranger() { ::close(fd_); }
  stranger(const stranger&) = delete;
  stranger& operator=(const stranger&) = delete;

  void send(std::span<const std::byte> bytes) {
    (void)::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); // may be closed by now
  }

  void send_words(std::initializer_list<std::uint32_t> words) {
    send(std::as_bytes(std::span{words.begin(), words.size()}));
  }

  /// Reads until the other side has closed; false if it does not.
  bool is_closed() {
    char sink[4096];
    for (;;) {
      pollfd ready{fd_, POLLIN, 0};
      if (::poll(&ready, 1, 20'000) <= 0)
        return false;
      if (::recv(fd_, sink, sizeof(sink), 0) <= 0)
        return true;
    }
  }

private:
  int fd_;
};

/// The process's high-water mark of virtual memory: grows even for memory that is never touched.
std::size_t virtual_peak_kib() {
  std::ifstream in{"/proc/self/status"};
  std::string word;
  std::size_t kib = 0;
  while (in >> word)
    if (word == "VmPeak:")
      in >> kib;
  return kib;
}

} // namespace

TEST_CASE_FIXTURE(fixture,
                  "door: a claim of 4 GiB in the first bytes allocates nothing and is closed") {
  auto uut = serve({.address = "127.0.0.1:0"});
  auto good = dial(*uut);
  REQUIRE(good->call(text("warm"), patience));
  auto before = virtual_peak_kib();
  for (int i = 0; i < 20; ++i) {
    stranger one{uut->port()};
    one.send_words({0, 0x20000000u}); // one segment of 4 GiB
    CHECK(one.is_closed());
    stranger two{uut->port()};
    two.send_words({0xffffffffu, 0xffffffffu}); // 2^32 segments
    CHECK(two.is_closed());
    stranger three{uut->port()};
    three.send_words({1, 0xffffffffu, 0xffffffffu, 0}); // two of 32 GiB
    CHECK(three.is_closed());
  }
  // Sanitizers reserve on their own; a believed claim would show as 4 GiB at once.
  CHECK(virtual_peak_kib() - before < 1024 * 1024);
  CHECK(good->call(text("still here"), patience));
}

TEST_CASE_FIXTURE(fixture, "door: random bytes harm nobody else") {
  auto uut = serve({.address = "127.0.0.1:0"});
  auto good = dial(*uut);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    std::vector<std::byte> junk(1 + random() % 2000);
    for (auto& x : junk)
      x = std::byte(random());
    stranger one{uut->port()};
    one.send(junk);
    REQUIRE(good->call(text("x"), patience));
  }
}

TEST_CASE_FIXTURE(fixture, "door: well-framed rubbish harms nobody else") {
  auto uut = serve({.address = "127.0.0.1:0"});
  auto good = dial(*uut);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    auto words = static_cast<std::uint32_t>(1 + random() % 40);
    std::vector<std::byte> content(words * 8);
    for (auto& x : content)
      x = std::byte(random() % 4); // small offsets look like real pointers
    stranger one{uut->port()};
    for (int i = 0; i < 5; ++i) {
      one.send_words({0, words});
      one.send(content);
    }
    REQUIRE(good->call(text("x"), patience));
  }
}

TEST_CASE_FIXTURE(fixture, "door: a connection that never says anything is closed") {
  auto uut = serve({.address = "127.0.0.1:0", .silence_max = 30ms});
  auto good = dial(*uut);
  REQUIRE(good->call(text("x"), patience));
  stranger silent{uut->port()};
  stranger half{uut->port()};
  half.send_words({0, 16}); // announces a message and never sends it
  CHECK(silent.is_closed());
  CHECK(half.is_closed());
  CHECK(good->call(text("x"), patience));
}

TEST_CASE_FIXTURE(fixture, "door: connections beyond the limit are closed, those inside go on") {
  auto uut = serve({.address = "127.0.0.1:0", .connections_max = 2});
  auto good = dial(*uut);
  REQUIRE(good->call(text("x"), patience));
  stranger second{uut->port()};
  {
    stranger third{uut->port()};
    CHECK(third.is_closed());
  }
  CHECK(good->call(text("x"), patience));
}

TEST_CASE_FIXTURE(fixture,
                  "door: one peer that does not read its answers does not hold up others") {
  auto uut = serve({.address = "127.0.0.1:0"});
  stranger deaf{uut->port()};
  auto good = dial(*uut);
  // Unknown message kinds are answered with `unimplemented`, which nobody here reads.
  for (int i = 0; i < 2000; ++i)
    deaf.send_words({0, 2, 0, 1, 0xffff, 0});
  for (int i = 0; i < 10; ++i)
    REQUIRE(good->call(text("x"), patience));
}
