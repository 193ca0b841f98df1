// SPDX-License-Identifier: Apache-2.0
#include "core/door/port_probe.hpp"
#include "core/door/sockets.hpp"
#include "tests/unit/door/door_fixture.hpp"

#include <thread>

using namespace foreshift;
using namespace foreshift::door;
using namespace foreshift::door::test;

namespace {

/// A listener that says something to whoever connects first, then ends.
struct speaker {
  explicit speaker(std::string words)
      : socket(*listen_at(*parse_bind_address("127.0.0.1:0"))),
        address("127.0.0.1:" + std::to_string(port_of(socket))), thread([this, words] {
          int peer = -1;
          while (peer < 0)
            peer = accept(socket, nullptr, nullptr); // the listener does not block
          (void)!write(peer, words.data(), words.size());
          close(peer);
        }) {}
  ~speaker() { thread.join(); }

  kj::AutoCloseFd socket;
  std::string address;
  std::thread thread;
};

} // namespace

TEST_CASE_FIXTURE(fixture, "ports are told apart: one that answers, one that says something else, "
                           "one where nobody listens, one that is silent") {
  speaker nbd{"NBDMAGIC and more"};
  speaker web{"HTTP/1.1 400"};
  auto gone = listen_at(*parse_bind_address("127.0.0.1:0"));
  REQUIRE(gone);
  auto closed = "127.0.0.1:" + std::to_string(port_of(*gone));
  *gone = kj::AutoCloseFd{};
  auto mute = listen_at(*parse_bind_address("127.0.0.1:0"));
  REQUIRE(mute);
  auto silent = "127.0.0.1:" + std::to_string(port_of(*mute));
  using kind = port::kind;
  auto why = probe(io, {},
                   {{nbd.address, kind::nbd},
                    {web.address, kind::nbd},
                    {closed, kind::nbd},
                    {silent, kind::nbd},
                    {closed, kind::door},
                    {"nonsense", kind::nbd}},
                   std::chrono::milliseconds{300});
  CHECK(why[0] == "");
  CHECK(why[1] == "something that is no NBD server answers");
  CHECK(why[2] == "Connection refused");
  CHECK(why[3] == "it does not say anything");
  CHECK(why[4] != "");
  CHECK(why[5] == "'nonsense' is no address");
}
