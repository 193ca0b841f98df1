// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/agent_options.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

const std::string minimal = "host.name = \"host-a\"\nhost.data = \"/var/lib/x/\"\n"
                            "coordinator.address = [\"127.0.0.1:7400\"]\n";

std::string why(const std::string& more) {
  auto got = parse_agent_options(minimal + more, "/lib/plugin.so");
  return got ? "" : got.error().detail;
}

} // namespace

TEST_CASE("three keys are enough, the rest follows") {
  auto got = parse_agent_options(minimal, "/lib/plugin.so");
  REQUIRE_MESSAGE(got, (got ? "" : got.error().detail));
  CHECK(got->data == "/var/lib/x");
  CHECK(got->plane_socket == "/var/lib/x/run/nbd.sock");
  CHECK(got->plane_plugin == "/lib/plugin.so");
  CHECK(got->plane_advertise == "127.0.0.1:10809");
  CHECK(got->door_advertise == "127.0.0.1:7401");
  CHECK(got->move_rate_bytes == 64 * mib);
  CHECK(got->plane().door_socket() == "/var/lib/x/run/plane.sock");
}

TEST_CASE("a listener that others can reach needs certificates") {
  CHECK(why("plane.listen = \"0.0.0.0:10809\"\n").find("plane.listen") == 0);
  CHECK(why("door.listen = \"192.0.2.1:7401\"\n").find("tls.certificate") != std::string::npos);
  CHECK(why("plane.listen = \"0.0.0.0:10809\"\ntls.certificate = \"c\"\ntls.key = \"k\"\n"
            "tls.ca = \"a\"\n")
            .empty());
}

TEST_CASE("wrong values are refused with the key's name") {
  CHECK(why("tls.key = \"k\"\n").find("all three or none") != std::string::npos);
  CHECK(why("plane.door = \"localhost\"\n").find("plane.door") == 0);
  CHECK(why("plane.door = \"127.0.0.1:0\"\n").find("fixed port") != std::string::npos);
  CHECK(why("moves.rate = \"1KiB\"\n").find("moves.rate_min") == 0);
  CHECK(why("sample.interval = \"1ms\"\n").find("sample.interval") == 0);
  auto bad_name = parse_agent_options("host.name = \"Host A\"\nhost.data = \"/x\"\n"
                                      "coordinator.address = [\"127.0.0.1:7400\"]\n",
                                      "p");
  REQUIRE_FALSE(bad_name);
  CHECK(bad_name.error().code == errc::invalid);
  CHECK(bad_name.error().detail.find("host.name") == 0);
}

TEST_CASE("an unknown key names the nearest known one") {
  CHECK(why("moves.rat = \"1MiB\"\n").find("moves.rate") != std::string::npos);
}

TEST_CASE("the example is accepted as it is printed") {
  auto got = parse_agent_options(agent_options_example(), "/lib/plugin.so");
  REQUIRE_MESSAGE(got, (got ? "" : got.error().detail));
  CHECK(got->name == "host-a");
}
