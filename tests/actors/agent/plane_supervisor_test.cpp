// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_supervisor.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

/// Stands for the processes of a host: at most one data plane among them.
struct fake_runner final : plane_runner {
  std::shared_ptr<test::plane_script> door;
  std::optional<std::uint32_t> on_disk;
  std::uint32_t alive = 0;
  std::uint32_t next_pid = 500;
  int starts = 0;
  bool watching = false;
  std::optional<fault> refuses;

  result<std::uint32_t> start() override {
    ++starts;
    if (refuses)
      return *refuses;
    CHECK_MESSAGE(alive == 0, "two data planes at once");
    watching = true;
    door->up = true;
    return door->pid = alive = next_pid++;
  }
  result<void> adopt(std::uint32_t pid) override {
    if (pid != alive)
      return fault{errc::not_found, "it has ended"};
    watching = true;
    return {};
  }
  std::optional<std::uint32_t> recorded() const override { return on_disk; }
  bool gone() override { return !watching || alive == 0; }
  void terminate() override { die(); }
  std::string last_words() const override { return "killed by signal 9"; }

  void die() {
    alive = 0;
    door->up = false;
  }
};

struct supervisor_fixture : test::agent_fixture {
  std::shared_ptr<fake_runner> runner = [this] {
    auto out = std::make_shared<fake_runner>();
    out->door = plane_does;
    plane_does->up = false;
    return out;
  }();
  supervisor_actor uut;

  void start() {
    uut = system.spawn<supervisor>(plane, runner, clock, supervisor_options{});
    self->send(uut, tick_alarm{});
    settle();
  }

  packet<schema::AgentStatus> status() {
    return ask<packet<schema::AgentStatus>>(uut, packet<schema::AgentStatusGet>{});
  }
};

} // namespace

TEST_CASE_FIXTURE(supervisor_fixture, "a fresh host gets a data plane") {
  start();
  pass(1s, 100ms);
  CHECK(runner->starts == 1);
  CHECK(status().read().getPlanePid() == 500);
  CHECK(status().read().getPlaneRestarts() == 0);
}

TEST_CASE_FIXTURE(supervisor_fixture, "a data plane that outlived the former agent is adopted") {
  runner->alive = 321;
  plane_does->pid = 321;
  plane_does->up = true;
  start();
  pass(5s, 100ms);
  CHECK(runner->starts == 0);
  CHECK(status().read().getPlanePid() == 321);
}

TEST_CASE_FIXTURE(supervisor_fixture,
                  "one that does not answer yet is adopted by its recorded pid") {
  runner->alive = 321;
  runner->on_disk = 321;
  start();
  pass(5s, 100ms);
  CHECK(runner->starts == 0);
  CHECK(status().read().getPlanePid() == 321);
}

TEST_CASE_FIXTURE(supervisor_fixture, "a recorded pid that is dead does not keep the host down") {
  runner->on_disk = 321;
  start();
  CHECK(runner->starts == 1);
}

TEST_CASE_FIXTURE(supervisor_fixture, "a data plane that dies is replaced, adopted or not") {
  runner->alive = 321;
  plane_does->pid = 321;
  plane_does->up = true;
  start();
  runner->die();
  pass(1s, 100ms);
  CHECK(runner->starts == 1);
  CHECK(status().read().getPlaneRestarts() == 1);
  runner->die();
  pass(1s, 100ms);
  CHECK(runner->starts == 2);
  CHECK(status().read().getPlanePid() == 501);
}

TEST_CASE_FIXTURE(supervisor_fixture, "a data plane that cannot start is tried ever more slowly") {
  runner->refuses = fault{errc::storage, "cannot listen on 127.0.0.1:10809"};
  start();
  pass(60s, 100ms);
  auto tries = runner->starts;
  CHECK(tries > 5);
  CHECK(tries < 20);
  runner->refuses.reset();
  pass(11s, 100ms);
  CHECK(runner->starts == tries + 1);
  CHECK(status().read().getPlanePid() == 500);
}

TEST_CASE_FIXTURE(supervisor_fixture, "asked to stop, it ends the data plane and starts none") {
  start();
  ask<packet<schema::Done>>(uut, stop_order{});
  CHECK(runner->alive == 0);
  pass(60s, 100ms);
  CHECK(runner->starts == 1);
}
