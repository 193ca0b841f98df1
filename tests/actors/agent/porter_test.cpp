// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/porter.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct porter_fixture : agent_fixture {
  porter_actor uut = system.spawn<porter>(up, porter_options{.host = "host-b"});

  result<packet<schema::Done>> tell(const char* what, const std::vector<std::string>& volumes) {
    return try_ask<packet<schema::Done>>(uut, packet<schema::GuestNote>::make([&](auto root) {
                                           root.setDomain("web1");
                                           root.setWhat(what);
                                           auto out = root.initVolumes(
                                               static_cast<unsigned>(volumes.size()));
                                           for (unsigned i = 0; i < out.size(); ++i)
                                             out.set(i, volumes[i].c_str());
                                         }));
  }
};

} // namespace

TEST_CASE("porter: only a VM that arrives is passed on, with this host's name") {
  porter_fixture x;
  for (auto what : {"started", "stopped", "leaving"})
    CHECK(x.tell(what, {"vm1"}));
  CHECK(x.tell("arriving", {})); // none of its disks is ours
  CHECK(x.uplink_does->expected.empty());
  CHECK(x.tell("arriving", {"vm1", "vm2"}));
  REQUIRE(x.uplink_does->expected.size() == 1);
  auto told = x.uplink_does->expected[0].read();
  CHECK(std::string{told.getHost().cStr()} == "host-b");
  CHECK(std::string{told.getDomain().cStr()} == "web1");
  REQUIRE(told.getVolumes().size() == 2);
  CHECK(std::string{told.getVolumes()[1].cStr()} == "vm2");
}

TEST_CASE("porter: what makes no sense is refused") {
  porter_fixture x;
  CHECK(x.tell("dancing", {"vm1"}).error().code == errc::invalid);
  CHECK(x.tell("arriving", std::vector<std::string>(300, "vm1")).error().code == errc::invalid);
  CHECK(x.uplink_does->expected.empty());
}
