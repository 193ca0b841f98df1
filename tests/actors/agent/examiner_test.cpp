// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/examiner.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

struct examiner_fixture : test::agent_fixture {
  std::vector<door::port> asked;
  examiner_actor make(door::tls_files tls) {
    port_prober probe = [this](const std::vector<door::port>& ports, std::chrono::milliseconds) {
      asked = ports;
      std::vector<std::string> why(ports.size());
      why.at(0) = "it does not answer";
      return why;
    };
    return adopt(system.spawn<examiner>(plane, probe, clock,
                                        examiner_options{.version = "1.2.3", .tls = tls}));
  }

  packet<schema::HostExamined> examine(const examiner_actor& whom) {
    return ask<packet<schema::HostExamined>>(whom, packet<schema::HostExamine>::make([](auto x) {
                                               auto peer = x.initPeers(1)[0];
                                               peer.setName("host-b");
                                               peer.setNbd("127.0.0.1:1");
                                               peer.setPlane("127.0.0.1:2");
                                               peer.setAgent("127.0.0.1:3");
                                             }));
  }
};

} // namespace

TEST_CASE_FIXTURE(examiner_fixture, "a host is asked for its clock and tries each port of a peer") {
  auto got = examine(make({}));
  auto x = got.read();
  CHECK(x.getWallMs() == clock.wall_ms());
  CHECK(x.getVersion() == "1.2.3");
  REQUIRE(x.getPorts().size() == 3);
  CHECK(x.getPorts()[0].getUse() == "extents");
  CHECK(x.getPorts()[0].getFault() == "it does not answer");
  CHECK(x.getPorts()[1].getFault() == "");
  CHECK(asked[0].what == door::port::kind::nbd);
  CHECK(asked[2].address == "127.0.0.1:3");
  CHECK(x.getCertificates().size() == 0);
}

TEST_CASE_FIXTURE(examiner_fixture, "a certificate that cannot be read is told, not left out") {
  auto got = examine(make({"no-such.pem", "no-such.key", "no-such-ca.pem"}));
  auto all = got.read().getCertificates();
  REQUIRE(all.size() == 2);
  CHECK(all[0].getPath() == "no-such.pem");
  CHECK(all[0].getFault() == "cannot read 'no-such.pem'");
}
