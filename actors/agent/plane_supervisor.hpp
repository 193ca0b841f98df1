// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/agent/plane_policy.hpp"
#include "actors/agent/plane_runner.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"

#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace foreshift {

struct supervisor_options {
  plane_policy_options policy;
  std::chrono::milliseconds tick{100};
  std::chrono::milliseconds probe_timeout{1000};
};

/// Keeps one data plane running: starts it, adopts one that outlived an earlier agent, restarts it
/// when it dies. Looks after it by short polls, so it never blocks.
class supervisor_state {
public:
  using interface = supervisor_actor;

  static constexpr const char* name = "supervisor";

  supervisor_state(interface::pointer self, plane_actor plane, std::shared_ptr<plane_runner> runner,
                   const clock_source& clock, supervisor_options options);

  interface::behavior_type make_behavior();

private:
  void tick();
  void probe();
  void probed(std::uint32_t pid);
  void start();
  void watch();
  caf::result<packet<schema::Done>> stop();
  void ended();

  interface::pointer self_;
  const plane_actor plane_;
  const std::shared_ptr<plane_runner> runner_;
  const clock_source& clock_;
  const supervisor_options options_;
  plane_policy policy_;
  bool probing_ = false;
  std::optional<caf::typed_response_promise<packet<schema::Done>>> stopping_;
};

using supervisor = hosted<supervisor_state>;

} // namespace foreshift
