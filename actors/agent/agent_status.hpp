// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"

#include <chrono>
#include <string>

namespace foreshift {

struct status_parts {
  supervisor_actor supervisor;
  vault_actor vault;
  mover_actor mover;
  uplink_actor uplink;
};

struct status_options {
  std::string host;
  std::string version;
  std::chrono::milliseconds timeout{2000};
};

/// Asks the other actors for what each knows and puts it together. One that does not answer leaves
/// its fields at zero.
class agent_status_state {
public:
  using interface = status_actor;

  static constexpr const char* name = "status";

  agent_status_state(interface::pointer self, status_parts parts, status_options options);

  interface::behavior_type make_behavior();

private:
  caf::result<packet<schema::AgentStatus>> gather(const packet<schema::AgentStatusGet>& ask);

  interface::pointer self_;
  const status_parts parts_;
  const status_options options_;
};

using agent_status = hosted<agent_status_state>;

} // namespace foreshift
