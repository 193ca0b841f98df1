// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/sentinel.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

namespace {

struct sentinel_fixture : agent_fixture {
  sentinel_actor sentinel =
      system.spawn<foreshift::sentinel>(plane, up, sentinel_options{.host = "host-a"});

  sentinel_fixture() {
    plane_does->suspect(1, {});
    settle();
  }

  /// No question stays open: it would keep both actors alive.
  ~sentinel_fixture() {
    plane_does->up = false;
    self->send(plane, packet<schema::Ping>{});
    settle();
  }

  /// The data plane has other suspects and tells so.
  void news(std::uint64_t serial, const std::vector<std::string>& hosts) {
    plane_does->suspect(serial, hosts);
    self->send(plane, packet<schema::Ping>{});
    settle();
  }

  std::vector<std::string> last() const {
    std::vector<std::string> out;
    for (auto x : uplink_does->suspected.back().read().getSuspects())
      out.push_back(x.getHost().cStr());
    return out;
  }
};

} // namespace

TEST_CASE("sentinel: a suspect is reported at once, then every second while it remains") {
  sentinel_fixture x;
  x.pass(3s, 100ms);
  CHECK(x.uplink_does->suspected.empty());
  x.news(2, {"host-b"});
  REQUIRE(x.uplink_does->suspected.size() == 1);
  CHECK(std::string{x.uplink_does->suspected[0].read().getReporter().cStr()} == "host-a");
  CHECK(x.last() == std::vector<std::string>{"host-b"});
  x.pass(3s, 100ms);
  CHECK(x.uplink_does->suspected.size() == 4);
  x.news(3, {"host-b", "host-c"}); // one more: at once, and no double repetition
  CHECK(x.uplink_does->suspected.size() == 5);
  CHECK(x.last().size() == 2);
  x.pass(2s, 100ms);
  CHECK(x.uplink_does->suspected.size() == 7);
  x.news(4, {});
  x.pass(5s, 100ms);
  CHECK(x.uplink_does->suspected.size() == 7);
}

TEST_CASE("sentinel: exactly one question is open, also after answers without news") {
  sentinel_fixture x;
  CHECK(x.plane_does->waiting.size() == 1);
  for (int i = 0; i < 3; ++i) {
    x.news(1, {}); // the time was over: nothing new
    CHECK(x.plane_does->waiting.size() == 1);
  }
}

TEST_CASE("sentinel: a data plane that is down has no suspects, and is asked again when it is up") {
  sentinel_fixture x;
  x.news(2, {"host-b"});
  x.plane_does->up = false;
  x.news(3, {"host-b"}); // answered, then the next question fails
  auto told = x.uplink_does->suspected.size();
  x.pass(3s, 100ms);
  CHECK(x.uplink_does->suspected.size() == told);
  x.plane_does->up = true;
  x.pass(1s, 100ms);
  CHECK(x.uplink_does->suspected.size() > told);
}

TEST_CASE("sentinel: a lease that is wished for is reported at once, and again while it is") {
  sentinel_fixture x;
  x.plane_does->suspect(2, {}, {7});
  x.self->send(x.plane, packet<schema::Ping>{});
  x.settle();
  auto& told = x.uplink_does->wanted_leases;
  REQUIRE(told.size() == 1);
  CHECK(std::string{told[0].read().getHost().cStr()} == "host-a");
  REQUIRE(told[0].read().getVolumes().size() == 1);
  CHECK(told[0].read().getVolumes()[0] == 7);
  CHECK(x.uplink_does->suspected.empty());
  x.pass(2s, 100ms);
  CHECK(told.size() == 3);
  x.news(3, {"host-b"}); // granted; and a suspect instead
  x.pass(2s, 100ms);
  CHECK(told.size() == 3);
  CHECK(x.uplink_does->suspected.size() == 3);
}
