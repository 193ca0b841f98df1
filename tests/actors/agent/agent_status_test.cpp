// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/agent_status.hpp"
#include "actors/agent/mover.hpp"
#include "actors/agent/vault.hpp"
#include "tests/actors/agent/doubles.hpp"
#include "tests/actors/agent/scratch.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

using namespace foreshift;

namespace {

class fake_supervisor_state {
public:
  using interface = supervisor_actor;
  static constexpr const char* name = "fake supervisor";

  explicit fake_supervisor_state(interface::pointer) {}

  interface::behavior_type make_behavior() {
    return {
        [](const packet<schema::AgentStatusGet>&) {
          return packet<schema::AgentStatus>::make([](auto x) {
            x.setPlanePid(77);
            x.setPlaneRestarts(3);
          });
        },
        [](tick_alarm) {},
        [](stop_order) { return packet<schema::Done>::make([](auto) {}); },
    };
  }
};

struct status_fixture : test::agent_fixture {
  test::scratch dir;
  std::shared_ptr<agent_store> store = *open_agent_store({.path = dir.path()});
  vault_actor keeper = system.spawn<vault>(store, clock, vault_options{});
  mover_actor moves = system.spawn<mover>(plane, clock, mover_options{});
  supervisor_actor keeps = system.spawn<hosted<fake_supervisor_state>>();
  status_actor uut = system.spawn<agent_status>(
      status_parts{keeps, keeper, moves, up}, status_options{.host = "host-a", .version = "1.2.3"});

  packet<schema::AgentStatus> status() {
    return ask<packet<schema::AgentStatus>>(uut, packet<schema::AgentStatusGet>{});
  }
};

} // namespace

TEST_CASE_FIXTURE(status_fixture, "the agent's status is put together from what its parts know") {
  ask<packet<schema::AgentStatus>>(
      keeper, packet<schema::HostWelcome>::make([](auto x) { x.setToken(12); }));
  auto got = status();
  auto x = got.read();
  CHECK(x.getHost() == "host-a");
  CHECK(x.getVersion() == "1.2.3");
  CHECK(x.getPid() == static_cast<std::uint32_t>(getpid()));
  CHECK(x.getPlanePid() == 77);
  CHECK(x.getPlaneRestarts() == 3);
  CHECK(x.getToken() == 12);
  CHECK(x.getMoveRateNow() == 64u << 20);
}

TEST_CASE_FIXTURE(status_fixture, "a part that is gone leaves its fields at zero") {
  caf::anon_send_exit(moves, caf::exit_reason::kill);
  settle();
  auto got = status();
  CHECK(got.read().getMoveRateNow() == 0);
  CHECK(got.read().getPlanePid() == 77);
}
