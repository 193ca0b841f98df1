// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/uplink.hpp"
#include "actors/agent/vault.hpp"
#include "tests/actors/agent/doubles.hpp"
#include "tests/actors/agent/scratch.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

struct coordinator_script {
  bool up = true;
  std::uint64_t token = 5;
  std::vector<packet<schema::HostHello>> hellos;
  std::vector<packet<schema::HostReport>> reports;
  int forecasts = 0;
  int suspected = 0;
  int wanted = 0;
};

class fake_coordinator_state {
public:
  using interface = coordinator_actor;
  static constexpr const char* name = "fake coordinator";

  fake_coordinator_state(interface::pointer, std::shared_ptr<coordinator_script> script)
      : script_(std::move(script)) {}

  interface::behavior_type make_behavior() {
    return {
        [this](const packet<schema::HostHello>& x) -> caf::result<packet<schema::HostWelcome>> {
          if (!script_->up)
            return down();
          script_->hellos.push_back(x);
          return packet<schema::HostWelcome>::make([this](auto root) {
            root.setToken(script_->token);
            root.setReportMs(500);
          });
        },
        [this](const packet<schema::HostReport>& x) -> caf::result<packet<schema::Done>> {
          if (!script_->up)
            return down();
          script_->reports.push_back(x);
          return packet<schema::Done>::make([](auto) {});
        },
        [this](const packet<schema::ForecastReport>&) -> caf::result<packet<schema::Done>> {
          ++script_->forecasts;
          return packet<schema::Done>::make([](auto) {});
        },
        [this](const packet<schema::LeaseWanted>&) -> caf::result<packet<schema::Done>> {
          ++script_->wanted;
          return packet<schema::Done>{};
        },
        [](const packet<schema::GuestExpected>&) { return packet<schema::Done>{}; },
        [this](const packet<schema::ReplicasSuspected>&) -> caf::result<packet<schema::Done>> {
          ++script_->suspected;
          return packet<schema::Done>::make([](auto) {});
        },
    };
  }

private:
  static caf::error down() { return to_caf({errc::unreachable, "connection refused"}); }

  std::shared_ptr<coordinator_script> script_;
};

struct uplink_fixture : test::agent_fixture {
  test::scratch dir;
  std::shared_ptr<agent_store> store = *open_agent_store({.path = dir.path()});
  vault_actor keeper = system.spawn<vault>(store, clock, vault_options{});
  std::shared_ptr<coordinator_script> first = std::make_shared<coordinator_script>();
  std::shared_ptr<coordinator_script> second = std::make_shared<coordinator_script>();
  uplink_actor uut = spawn();

  uplink_actor spawn() {
    std::vector<coordinator_link> links{
        {"one:1", system.spawn<hosted<fake_coordinator_state>>(first)},
        {"two:2", system.spawn<hosted<fake_coordinator_state>>(second)}};
    uplink_actor out =
        system.spawn<uplink>(links, keeper, host_identity{.name = "host-a"}, uplink_options{});
    settle();
    return out;
  }

  packet<schema::HostWelcome> measure() {
    return ask<packet<schema::HostWelcome>>(
        uut, packet<schema::HostReport>::make([](auto x) { x.setHost("host-a"); }));
  }

  std::string coordinator() {
    return ask<packet<schema::AgentStatus>>(uut, packet<schema::AgentStatusGet>{})
        .read()
        .getCoordinator()
        .cStr();
  }
};

} // namespace

TEST_CASE_FIXTURE(uplink_fixture, "a host says hello once it has measured itself, then reports as "
                                  "often as the coordinator asks") {
  pass(1s, 100ms);
  CHECK(first->hellos.empty());
  measure();
  pass(100ms, 100ms);
  REQUIRE(first->hellos.size() == 1);
  CHECK(first->hellos[0].read().getAddress().getName() == "host-a");
  CHECK(first->reports.size() == 1);
  pass(2s, 100ms);
  CHECK(first->reports.size() == 5);
  CHECK(first->hellos.size() == 1);
  CHECK(coordinator() == "one:1");
  CHECK(measure().read().getReportMs() == 500);
}

TEST_CASE_FIXTURE(uplink_fixture,
                  "a lost coordinator is replaced by the next one, with a new hello") {
  measure();
  pass(1s, 100ms);
  first->up = false;
  pass(500ms, 100ms);
  CHECK(coordinator().empty());
  CHECK(measure().read().getReportMs() == 0);
  pass(1s, 100ms);
  CHECK(second->hellos.size() == 1);
  CHECK_FALSE(second->reports.empty());
  CHECK(coordinator() == "two:2");
}

TEST_CASE_FIXTURE(uplink_fixture,
                  "a coordinator that comes back is greeted again and gets reports") {
  measure();
  pass(1s, 100ms);
  first->up = false;
  second->up = false;
  pass(30s, 100ms);
  CHECK(coordinator().empty());
  auto before = first->hellos.size();
  first->up = true;
  pass(11s, 100ms); // both may have been waited for at the longest back-off
  CHECK(first->hellos.size() == before + 1);
  CHECK(coordinator() == "one:1");
}

TEST_CASE_FIXTURE(uplink_fixture,
                  "a leadership token older than one obeyed before is not obeyed, not "
                  "even after a restart") {
  first->token = 9;
  measure();
  pass(1s, 100ms);
  CHECK(coordinator() == "one:1");
  caf::anon_send_exit(uut, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
  settle();
  keeper = system.spawn<vault>(store, clock, vault_options{});
  first->token = 8;
  second->token = 9;
  uut = spawn();
  measure();
  pass(3s, 100ms);
  CHECK(coordinator() == "two:2");
}

TEST_CASE_FIXTURE(uplink_fixture, "forecasts reach a coordinator only while there is one") {
  self->send(uut, packet<schema::ForecastReport>{});
  pass(200ms, 100ms);
  CHECK(first->forecasts == 0);
  measure();
  pass(1s, 100ms);
  self->send(uut, packet<schema::ForecastReport>{});
  settle();
  CHECK(first->forecasts == 1);
}

TEST_CASE_FIXTURE(uplink_fixture,
                  "suspected replicas reach a coordinator only while there is one") {
  self->send(uut, packet<schema::ReplicasSuspected>{});
  self->send(uut, packet<schema::LeaseWanted>{});
  pass(200ms, 100ms);
  CHECK(first->suspected == 0);
  CHECK(first->wanted == 0);
  measure();
  pass(1s, 100ms);
  self->send(uut, packet<schema::ReplicasSuspected>{});
  self->send(uut, packet<schema::LeaseWanted>{});
  settle();
  CHECK(first->suspected == 1);
  CHECK(first->wanted == 1);
}
