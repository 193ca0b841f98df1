// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_client.hpp"
#include "core/vm/qmp_qemu.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace foreshift;
using namespace std::chrono_literals;
using json = nlohmann::json;

namespace {

const std::string hello =
    R"({"QMP": {"version": {"qemu": {"micro": 19, "minor": 2, "major": 7}}, "capabilities": []}})";

/// A monitor that says what it is told to after each command, whatever that is; and notes them.
class monitor {
public:
  explicit monitor(std::vector<std::string> answers, std::string greeting = hello)
      : answers_(std::move(answers)) {
    char name[] = "/tmp/qmp_test.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    directory_ = name;
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strcpy(at.sun_path, path().c_str());
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    server_ = std::thread{[this, greeting] { serve(greeting); }};
  }
  ~monitor() {
    ::shutdown(listener_, SHUT_RDWR);
    server_.join();
    ::close(listener_);
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }

  std::string path() const { return directory_ + "/qmp"; }
  /// Every command heard; call once the client is gone.
  const std::vector<json>& heard() const { return heard_; }

private:
  void serve(const std::string& greeting) {
    int peer = ::accept(listener_, nullptr, nullptr);
    if (peer < 0)
      return;
    say(peer, greeting + "\r\n");
    qmp::line_reader lines;
    std::size_t next = 0;
    char buffer[4096];
    for (ssize_t got; (got = ::recv(peer, buffer, sizeof buffer, 0)) > 0;) {
      (void)lines.feed({buffer, static_cast<std::size_t>(got)});
      while (auto line = lines.next()) {
        heard_.push_back(json::parse(*line));
        bool setup = heard_.back()["execute"] == "qmp_capabilities";
        auto answer = setup                    ? R"({"return": {}})"
                      : next < answers_.size() ? answers_[next++]
                                               : std::string{"close"};
        if (answer == "close") {
          ::close(peer);
          return;
        }
        say(peer, answer + "\n");
      }
    }
    ::close(peer);
  }
  static void say(int peer, const std::string& what) {
    // In two pieces: a line may come in any.
    auto half = what.size() / 2;
    (void)!::send(peer, what.data(), half, MSG_NOSIGNAL);
    (void)!::send(peer, what.data() + half, what.size() - half, MSG_NOSIGNAL);
  }

  const std::vector<std::string> answers_;
  std::string directory_;
  std::vector<json> heard_;
  int listener_ = -1;
  std::thread server_;
};

std::unique_ptr<qmp::client> open(const monitor& at) {
  auto got = qmp::client::open(at.path(), 5s, system_clock());
  REQUIRE_MESSAGE(got, (got ? "" : to_string(got.error())));
  return *std::move(got);
}

} // namespace

TEST_CASE("a monitor is greeted, asked and answers, and its events wait their turn") {
  monitor at{{R"({"event": "STOP", "timestamp": {"seconds": 1700000000, "microseconds": 5}})"
              "\n"
              R"({"return": {"status": "running"}, "id": 1})"}};
  auto uut = open(at);
  CHECK(uut->version().major == 7);
  CHECK(uut->version().minor == 2);
  auto got = uut->execute("query-status", 5s);
  REQUIRE(got);
  CHECK((*got->value)["status"] == "running");
  auto event = uut->next_event(0ms);
  REQUIRE(event);
  REQUIRE(*event);
  CHECK((*event)->what.name == "STOP");
  CHECK((*event)->what.at_us == 1'700'000'000'000'005);
  CHECK((*event)->arrived_us > 0);
  auto none = uut->next_event(0ms);
  REQUIRE(none);
  CHECK_FALSE(*none);
}

TEST_CASE("a refused command says why, and the connection goes on") {
  monitor at{
      {R"({"error": {"class": "GenericError", "desc": "no such thing"}})", R"({"return": 7})"}};
  auto uut = open(at);
  auto refused = uut->execute("cont", 5s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::failed);
  CHECK(refused.error().detail == "cont: no such thing");
  CHECK(bool(uut->execute("query-status", 5s)));
}

TEST_CASE("a QEMU that dies is unreachable from then on, after its last words") {
  monitor at{{R"({"return": {}})"
              "\n"
              R"({"event": "RESUME"})"}};
  auto uut = open(at);
  REQUIRE(uut->execute("cont", 5s));
  auto lost = uut->execute("query-status", 5s);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == errc::unreachable);
  auto last = uut->next_event(0ms);
  REQUIRE(last);
  REQUIRE(*last);
  CHECK((*last)->what.name == "RESUME");
  auto after = uut->next_event(5s);
  REQUIRE_FALSE(after);
  CHECK(after.error().code == errc::unreachable);
}

TEST_CASE("nobody there, or somebody who is no monitor") {
  auto none = qmp::client::open("/nowhere/at/all", 1s, system_clock());
  REQUIRE_FALSE(none);
  CHECK(none.error().code == errc::unreachable);
  CHECK(qmp::client::open("", 1s, system_clock()).error().code == errc::invalid);
  CHECK(qmp::client::open(std::string(200, 'x'), 1s, system_clock()).error().code == errc::invalid);
  monitor other{{}, "220 mail.example.org"};
  auto got = qmp::client::open(other.path(), 5s, system_clock());
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::malformed);
}

TEST_CASE("a line of more than 1 MiB and JSON that nests without end are refused") {
  qmp::line_reader lines;
  std::string chunk(1u << 16, 'x');
  result<void> fed;
  for (int i = 0; i < 17 && fed; ++i)
    fed = lines.feed(chunk);
  REQUIRE_FALSE(fed);
  CHECK(fed.error().code == errc::too_large);
  std::string deep = R"({"return": )" + std::string(100, '[') + std::string(100, ']') + "}";
  auto got = qmp::parse(deep);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::too_large);
}

TEST_CASE("what is no QMP message is malformed; odd members are left out") {
  for (auto line : {"", "7", "[]", "{", "{}", "\"x\"", "{\"x\": 1}", "{\"return\": 1"})
    CHECK_FALSE(bool(qmp::parse(line)));
  auto odd = qmp::parse(R"({"event": 5, "timestamp": {"seconds": -1}, "data": [1]})");
  REQUIRE(odd);
  auto& event = std::get<qmp::event>(*odd);
  CHECK(event.name.empty());
  CHECK(event.at_us == 0);
  auto huge = qmp::parse(
      R"({"event": "STOP", "timestamp": {"seconds": 9223372036854775807, "microseconds": 1}})");
  CHECK(std::get<qmp::event>(*huge).at_us == 0);
  auto pass = qmp::parse(R"({"event": "MIGRATION_PASS", "data": {"pass": 3}})");
  CHECK(std::get<qmp::event>(*pass).pass == 3);
}

TEST_CASE("QEMU's words are understood") {
  CHECK(guest_state_of("finish-migrate") == guest_state::leaving);
  CHECK(guest_state_of("inmigrate") == guest_state::incoming);
  CHECK(guest_state_of("guest-panicked") == guest_state::broken);
  CHECK(stream_state_of("pre-switchover") == stream_state::pre_switchover);
  CHECK(stream_state_of("cancelling") == stream_state::active);
  CHECK(stream_state_of("") == stream_state::none);
}

TEST_CASE("a posted command is answered in its turn, whatever is asked meanwhile") {
  monitor at{{R"({"return": {"n": 1}})", R"({"return": {"n": 2}})", R"({"return": {"n": 3}})",
              R"({"error": {"desc": "no"}})"
              "\n"
              R"({"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 0}})",
              R"({"error": {"desc": "never"}})"}};
  auto uut = open(at);
  CHECK(uut->collect(5s).error().code == errc::precondition);
  REQUIRE(uut->post("one", json::object(), 5s));
  auto two = uut->execute("two", 5s);
  REQUIRE(two);
  CHECK((*two->value)["n"] == 2);
  auto one = uut->collect(5s);
  REQUIRE(one);
  CHECK((*one->value)["n"] == 1);
  CHECK(uut->collect(5s).error().code == errc::precondition);
  REQUIRE(uut->post("three", json::object(), 5s));
  CHECK((*uut->collect(5s)->value)["n"] == 3);
  REQUIRE(uut->post("four", json::object(), 5s));
  auto stop = uut->next_event(5s); // the answer comes before it
  REQUIRE(stop);
  REQUIRE(*stop);
  CHECK((*stop)->what.name == "STOP");
  CHECK(uut->collect(5s).error().detail == "four: no");
  qmp_qemu source{std::move(uut), "the source"};
  source.ask_to_proceed();
  CHECK(source.proceed().error().detail == "the source: migrate-continue: never");
}

TEST_CASE("QEMU's numbers are read, and its refusals named") {
  monitor at{{R"({"return": {"status": "active", "ram": {"transferred": 500, "remaining": 40, )"
              R"("mbps": 80.0, "dirty-pages-rate": 3, "page-size": 4096}}})",
              R"({"return": {"base-memory": 1024, "plugged-memory": 24}})",
              R"({"return": [{"stats": {"rd_operations": 3, "wr_operations": 4, )"
              R"("flush_operations": 2, "rd_total_time_ns": 500, "wr_total_time_ns": 70, )"
              R"("flush_total_time_ns": 9}}, {}, 8]})",
              R"({"error": {"desc": "The incoming migration has already been started"}})",
              R"({"return": {"socket-address": [{"port": "4711"}]}})",
              R"({"error": {"desc": "no"}})"}};
  qmp_qemu uut{open(at), "the source"};
  auto view = uut.stream();
  REQUIRE(view);
  CHECK(view->state == stream_state::active);
  CHECK(view->sent_bytes == 500);
  CHECK(view->remaining_bytes == 40);
  CHECK(view->rate_bytes == 10'000'000);
  CHECK(*uut.ram_bytes() == 1048);
  CHECK(view->dirty_bytes == 12'288);
  auto disks = uut.disks();
  REQUIRE(disks);
  CHECK(disks->requests == 9);
  CHECK(disks->transfers.requests == 7);
  CHECK(disks->transfers.busy_ns == 570);
  CHECK(*uut.accept("tcp:10.0.0.2:0") == "tcp:10.0.0.2:4711");
  CHECK(uut.proceed().error().detail == "the source: migrate-continue: no");
}

TEST_CASE("what QEMU is told to prepare") {
  monitor at{{R"({"return": {}})", R"({"return": {}})", R"({"return": {}})"}};
  {
    qmp_qemu uut{open(at), "the source"};
    REQUIRE(uut.prepare_source({1'000'000, 300}));
    REQUIRE(uut.set_bandwidth(500'000));
    CHECK_FALSE(bool(uut.cancel())); // the monitor has closed: its server has heard everything
  }
  auto& said = at.heard();
  REQUIRE(said.size() == 5);
  CHECK(said[1]["arguments"]["capabilities"]
        == json::parse(R"([{"capability": "events", "state": true},
                           {"capability": "pause-before-switchover", "state": true}])"));
  CHECK(said[2]["arguments"]
        == json::parse(R"({"max-bandwidth": 1000000, "downtime-limit": 300})"));
  CHECK(said[3]["arguments"] == json::parse(R"({"max-bandwidth": 500000})"));
  CHECK(said[4]["execute"] == "migrate_cancel");
}
