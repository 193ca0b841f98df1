// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/listen_socket.hpp"
#include "actors/agent/plane_command.hpp"
#include "actors/agent/plane_runner.hpp"
#include "tests/actors/agent/scratch.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

/// Options whose "nbdkit" is a shell script.
plane_process_options scripted(const test::scratch& dir, const std::string& body) {
  std::ofstream{dir / "nbdkit"} << "#!/bin/sh\n" << body << '\n';
  chmod((dir / "nbdkit").c_str(), 0700);
  std::ofstream{dir / "plugin.so"} << "not looked at";
  plane_process_options out;
  out.host = "host-a";
  out.data = dir.path();
  out.socket = dir / "run/nbd.sock";
  out.listen = "127.0.0.1:0";
  out.door = "127.0.0.1:10810";
  out.nbdkit = dir / "nbdkit";
  out.plugin = dir / "plugin.so";
  return out;
}

std::string text_of(const std::string& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Blocks until the process has ended; it is nobody's child.
void wait_for(std::uint32_t pid) {
  int fd = static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (fd < 0)
    return; // gone already
  pollfd ask{fd, POLLIN, 0};
  poll(&ask, 1, 60'000);
  close(fd);
}

} // namespace

TEST_CASE("the data plane is started by socket activation, in a session of its own") {
  test::scratch dir;
  auto uut = make_nbdkit_runner(scripted(dir, R"(
echo $LISTEN_FDS $([ $LISTEN_PID = $$ ] && echo mine)
for fd in 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$fd | cut -d: -f1; done | tr '\n' ' '; echo
read -r pid name state parent group session rest < /proc/$$/stat; echo $parent $session)"));
  auto pid = uut->start();
  REQUIRE(pid);
  wait_for(*pid);
  CHECK(uut->gone());
  std::ifstream log{dir / "log/plane.log"};
  std::string first;
  std::string files;
  pid_t parent = 0;
  pid_t session = 0;
  std::getline(log, first);
  std::getline(log, files);
  log >> parent >> session;
  CHECK(first == "2 mine");
  CHECK(files == "socket socket "); // guests, peers, and nothing else of ours
  // It lives on when its starter ends, and no terminal's signal reaches it.
  CHECK(parent != 0);
  CHECK(parent != getpid());
  CHECK(session != 0);
  CHECK(session != getsid(0));
  CHECK(text_of(dir / "run/plane.pid") == std::to_string(*pid) + "\n");
  struct stat about {};
  REQUIRE(stat((dir / "run/nbd.sock").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0660);
  REQUIRE(stat((dir / "run").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0700);
}

TEST_CASE("the last words of a data plane that failed are its log's last line") {
  test::scratch dir;
  auto uut = make_nbdkit_runner(scripted(dir, "echo nbdkit: no such plugin >&2; exit 3"));
  auto pid = uut->start();
  REQUIRE(pid);
  wait_for(*pid);
  CHECK(uut->gone());
  CHECK(uut->last_words() == "the last line of its log: nbdkit: no such plugin");
}

TEST_CASE("a later agent finds the running data plane by its record and can end it") {
  test::scratch dir;
  auto options = scripted(dir, "read forever < " + dir.path() + "/never");
  REQUIRE(mkfifo((dir / "never").c_str(), 0600) == 0);
  auto former = make_nbdkit_runner(options);
  auto pid = former->start();
  REQUIRE(pid);
  auto uut = make_nbdkit_runner(options);
  // The shell becomes the script at its own pace: its command line names the data directory from
  // then on.
  while (!uut->recorded())
    sched_yield();
  CHECK(*uut->recorded() == *pid);
  REQUIRE(uut->adopt(*pid));
  CHECK_FALSE(uut->gone());
  uut->terminate();
  wait_for(*pid);
  CHECK(uut->gone());
  CHECK(former->gone());
  CHECK_FALSE(uut->recorded());
}

TEST_CASE("a missing plugin and a path too long for a socket are named") {
  test::scratch dir;
  auto options = scripted(dir, "");
  options.plugin = dir / "absent.so";
  auto no_plugin = make_nbdkit_runner(options)->start();
  REQUIRE_FALSE(no_plugin);
  CHECK(no_plugin.error().detail.find("absent.so") != std::string::npos);
  options = scripted(dir, "");
  options.socket = dir / (std::string(120, 'x') + ".sock");
  auto too_long = make_nbdkit_runner(options)->start();
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().detail.find("choose a shorter one") != std::string::npos);
}

TEST_CASE("the command line carries what the plugin needs, TLS only when there are certificates") {
  plane_process_options options;
  options.host = "host-a";
  options.data = "/data";
  options.door = "127.0.0.1:10810";
  options.plugin = "/lib/plugin.so";
  auto plain = plane_command(options);
  auto has = [](const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  CHECK(plain[0] == "nbdkit");
  CHECK(has(plain, "host=host-a"));
  CHECK(has(plain, "door=unix:/data/run/plane.sock"));
  CHECK(has(plain, "peer-door=127.0.0.1:10810"));
  CHECK(has(plain, "hold=30s"));
  CHECK(has(plain, "peer-timeout=3s"));
  CHECK(has(plain, "access-log=on"));
  CHECK_FALSE(has(plain, "--tls=on"));
  options.certificate = "c.pem";
  options.key = "k.pem";
  options.ca = "ca.pem";
  auto secure = plane_command(options);
  CHECK(has(secure, "--tls=on"));
  CHECK(has(secure, "--tls-verify-peer"));
  CHECK(has(secure, "peer-tls=/data/run/tls"));
}
