// SPDX-License-Identifier: Apache-2.0
#include "core/door/tls.hpp"
#include "tests/unit/door/door_fixture.hpp"

#include <cstdlib>
#include <fstream>

using namespace foreshift;
using namespace foreshift::door;
using namespace foreshift::door::test;

namespace {

bool have_openssl() {
  return std::system("openssl version > /dev/null 2>&1") == 0;
}

/// Two certificate authorities and certificates by the openssl command.
struct tls_fixture : fixture {
  tls_fixture() {
    if (!have_openssl())
      return;
    authority("ca");
    authority("other-ca");
  }

  void run(const std::string& command) {
    auto quiet = command + " > " + (dir / "log") + " 2>&1";
    REQUIRE_MESSAGE(std::system(quiet.c_str()) == 0, command);
  }

  void authority(const std::string& name) {
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "'/CN="
        + name + "' -keyout " + (dir / name) + ".key -out " + (dir / name) + ".pem");
  }

  /// A certificate of `ca` for `common_name`, valid for the server name `dns`.
  tls_files issue(const std::string& ca, const std::string& file, const std::string& common_name,
                  const std::string& dns) {
    auto base = dir / file;
    std::ofstream{base + ".ext"} << "subjectAltName=DNS:" << dns << "\n";
    run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN="
        + common_name + "' -keyout " + base + ".key -out " + base + ".csr");
    run("openssl x509 -req -days 2 -in " + base + ".csr -CA " + (dir / ca) + ".pem -CAkey "
        + (dir / ca) + ".key -CAcreateserial -extfile " + base + ".ext -out " + base + ".pem");
    return {base + ".pem", base + ".key", (dir / ca) + ".pem"};
  }

  result<envelope> ask(const server& at, tls_files tls, std::string server_name) {
    auto caller = client::open(io, {.address = "127.0.0.1:" + std::to_string(at.port()),
                                    .tls = std::move(tls),
                                    .server_name = std::move(server_name)});
    return caller->call(text("secret"), patience);
  }
};

} // namespace

TEST_CASE_FIXTURE(fixture, "door: a listener on every address without TLS names what is missing") {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"}) {
    auto uut = server::open(io, {.address = address}, echo());
    REQUIRE_FALSE(uut);
    CHECK(uut.error().code == errc::invalid);
    CHECK(uut.error().detail.find("certificate, key, CA") != std::string::npos);
  }
  auto uut = server::open(io, {.address = "0.0.0.0:0", .tls = {"cert.pem", "", "ca.pem"}}, echo());
  REQUIRE_FALSE(uut);
  CHECK(uut.error().detail.find("missing: key") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture, "door: TLS files that cannot be read are named") {
  auto uut = server::open(
      io, {.address = "127.0.0.1:0", .tls = {dir / "no.pem", dir / "no.key", dir / "no-ca.pem"}},
      echo());
  REQUIRE_FALSE(uut);
  CHECK(uut.error().code == errc::invalid);
  CHECK(uut.error().detail.find("no.pem") != std::string::npos);
  std::ofstream{dir / "junk.pem"} << "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n";
  uut = server::open(
      io, {.address = "127.0.0.1:0", .tls = {dir / "junk.pem", dir / "junk.pem", dir / "junk.pem"}},
      echo());
  REQUIRE_FALSE(uut);
  CHECK(uut.error().code == errc::invalid);
}

TEST_CASE("door: a common name is a role and a name") {
  CHECK(peer_from("agent:host-a").role == "agent");
  CHECK(peer_from("agent:host-a").name == "host-a");
  CHECK(peer_from("tool").role == "tool");
  CHECK(peer_from("tool").name.empty());
}

TEST_CASE_FIXTURE(tls_fixture, "door: mutual TLS tells who is calling, on any address"
                                   * doctest::skip(!have_openssl())) {
  auto host = issue("ca", "host", "coordinator", "coordinator.cell");
  auto agent = issue("ca", "agent", "agent:host-a", "host-a.cell");
  peer seen;
  auto uut = serve({.address = "0.0.0.0:0", .tls = host},
                   [&](envelope request, const peer& from, answer reply) {
                     seen = from;
                     reply(std::move(request));
                   });
  auto got = ask(*uut, agent, "coordinator.cell");
  REQUIRE_MESSAGE(got, (got ? "" : to_string(got.error())));
  CHECK(words(*got) == "secret");
  CHECK(seen.role == "agent");
  CHECK(seen.name == "host-a");
}

TEST_CASE_FIXTURE(tls_fixture, "door: a client that cannot show the right certificate is refused"
                                   * doctest::skip(!have_openssl())) {
  auto host = issue("ca", "host", "coordinator", "coordinator.cell");
  auto agent = issue("ca", "agent", "agent:host-a", "host-a.cell");
  auto foreign = issue("other-ca", "foreign", "agent:host-a", "host-a.cell");
  auto uut = serve({.address = "127.0.0.1:0", .tls = host});

  SUBCASE("no certificate at all, and no TLS") {
    auto got = dial(*uut)->call(text("secret"), patience);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::unreachable);
  }
  SUBCASE("a certificate of another authority") {
    foreign.ca = host.ca; // the client itself trusts the server
    auto got = ask(*uut, foreign, "coordinator.cell");
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::unreachable);
  }
  SUBCASE("a server of another authority is not trusted") {
    agent.ca = foreign.ca;
    auto got = ask(*uut, agent, "coordinator.cell");
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::unreachable);
  }
  SUBCASE("a server by another name is not trusted") {
    auto got = ask(*uut, agent, "host-b.cell");
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::unreachable);
    CHECK(got.error().detail.find("127.0.0.1") != std::string::npos);
  }
  SUBCASE("TLS without a certificate of its own") {
    auto command = "echo | timeout 10 openssl s_client -brief -connect 127.0.0.1:"
                   + std::to_string(uut->port()) + " -CAfile " + host.ca
                   + " -verify_return_error -ign_eof > " + (dir / "s_client") + " 2>&1";
    (void)std::system(command.c_str());
    std::ifstream in{dir / "s_client"};
    std::string said{std::istreambuf_iterator<char>{in}, {}};
    CHECK(said.find("alert") != std::string::npos);
  }
  SUBCASE("an old version of TLS") {
    auto command = "echo | timeout 10 openssl s_client -brief -tls1_1 -cipher ALL:@SECLEVEL=0 "
                   "-connect 127.0.0.1:"
                   + std::to_string(uut->port()) + " > " + (dir / "s_client") + " 2>&1";
    CHECK(std::system(command.c_str()) != 0);
  }
  auto good = ask(*uut, issue("ca", "tool", "tool", "tool.cell"), "coordinator.cell");
  CHECK(good);
}
