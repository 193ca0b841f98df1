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
  x.plane_does->suspect(2, {"host-b"});
  x.settle();
  REQUIRE(x.uplink_does->suspected.size() == 1);
  CHECK(std::string{x.uplink_does->suspected[0].read().getReporter().cStr()} == "host-a");
  CHECK(x.last() == std::vector<std::string>{"host-b"});
  x.pass(3s, 100ms);
  CHECK(x.uplink_does->suspected.size() == 4);
  x.plane_does->suspect(3, {"host-b", "host-c"}); // one more: at once, and no double repetition
  x.settle();
  CHECK(x.uplink_does->suspected.size() == 5);
  CHECK(x.last().size() == 2);
  x.pass(2s, 100ms);
  CHECK(x.uplink_does->suspected.size() == 7);
  x.plane_does->suspect(4, {});
  x.pass(5s, 100ms);
  CHECK(x.uplink_does->suspected.size() == 7);
}

TEST_CASE("sentinel: exactly one question is open, also after answers without news") {
  sentinel_fixture x;
  CHECK(x.plane_does->waiting.size() == 1);
  for (int i = 0; i < 3; ++i) {
    x.plane_does->suspect(1, {}); // the time was over: nothing new
    x.settle();
    CHECK(x.plane_does->waiting.size() == 1);
  }
}

TEST_CASE("sentinel: a data plane that is down has no suspects, and is asked again when it is up") {
  sentinel_fixture x;
  x.plane_does->suspect(2, {"host-b"});
  x.settle();
  x.plane_does->up = false;
  x.plane_does->suspect(3, {"host-b"}); // answered, then the next question fails
  x.settle();
  auto told = x.uplink_does->suspected.size();
  x.pass(3s, 100ms);
  CHECK(x.uplink_does->suspected.size() == told);
  x.plane_does->up = true;
  x.pass(1s, 100ms);
  CHECK(x.uplink_does->suspected.size() > told);
}
