// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/agent_status.hpp"

#include "core/base/log.hpp"

#include <memory>
#include <unistd.h>

namespace foreshift {

namespace {

/// Answers that are still missing, and those that came.
struct gathering {
  caf::typed_response_promise<packet<schema::AgentStatus>> answer;
  packet<schema::AgentStatus> supervisor;
  packet<schema::AgentStatus> vault;
  packet<schema::AgentStatus> mover;
  packet<schema::AgentStatus> uplink;
  int missing = 4;
};

packet<schema::AgentStatus> merge(const gathering& x, const status_options& options) {
  return packet<schema::AgentStatus>::make([&](auto root) {
    root.setHost(options.host.c_str());
    root.setVersion(options.version.c_str());
    root.setPid(static_cast<std::uint32_t>(getpid()));
    root.setPlanePid(x.supervisor.read().getPlanePid());
    root.setPlaneRestarts(x.supervisor.read().getPlaneRestarts());
    root.setCoordinator(x.uplink.read().getCoordinator());
    root.setLogRecords(x.vault.read().getLogRecords());
    root.setLogBytes(x.vault.read().getLogBytes());
    root.setToken(x.vault.read().getToken());
    root.setMoveRateNow(x.mover.read().getMoveRateNow());
  });
}

} // namespace

agent_status_state::agent_status_state(interface::pointer self, status_parts parts,
                                       status_options options)
    : self_(self), parts_(std::move(parts)), options_(std::move(options)) {}

status_actor::behavior_type agent_status_state::make_behavior() {
  return {
      [this](const packet<schema::AgentStatusGet>& ask) { return gather(ask); },
  };
}

caf::result<packet<schema::AgentStatus>>
agent_status_state::gather(const packet<schema::AgentStatusGet>& ask) {
  auto x = std::make_shared<gathering>();
  x->answer = self_->make_response_promise<packet<schema::AgentStatus>>();
  auto one_less = [this, x] {
    if (--x->missing == 0)
      x->answer.deliver(merge(*x, options_));
  };
  auto from = [&](const auto& part, packet<schema::AgentStatus>& into) {
    self_->request(part, options_.timeout, ask)
        .then(
            [x, one_less, &into](const packet<schema::AgentStatus>& got) {
              into = got; // `into` lives in `x`, which this function keeps
              one_less();
            },
            [one_less](const caf::error& why) {
              slog::warn("a part of the agent does not tell its status: {}", to_fault(why).detail);
              one_less();
            });
  };
  from(parts_.supervisor, x->supervisor);
  from(parts_.vault, x->vault);
  from(parts_.mover, x->mover);
  from(parts_.uplink, x->uplink);
  return x->answer;
}

} // namespace foreshift
