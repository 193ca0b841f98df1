// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"
#include "core/door/port_probe.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace foreshift {

/// door::probe over the agent's io thread and certificates, or a test's twin of it.
using port_prober = std::function<std::vector<std::string>(const std::vector<door::port>& ports,
                                                           std::chrono::milliseconds timeout)>;

struct examiner_options {
  std::string version;
  door::tls_files tls;
  std::chrono::milliseconds plane_timeout{2000};
};

/// Looks at its host for the doctor. Detached: it blocks while it tries ports.
class examiner_state {
public:
  using interface = examiner_actor;

  static constexpr const char* name = "examiner";

  /// `clock` must outlive it.
  examiner_state(interface::pointer self, plane_actor plane, port_prober probe,
                 const clock_source& clock, examiner_options options);

  interface::behavior_type make_behavior();

private:
  caf::result<packet<schema::HostExamined>> examine(const packet<schema::HostExamine>& x);
  packet<schema::HostExamined> describe(const packet<schema::HostExamine>& x,
                                        const std::string& plane_version) const;

  interface::pointer self_;
  const plane_actor plane_;
  const port_prober probe_;
  const clock_source& clock_;
  const examiner_options options_;
};

using examiner = hosted<examiner_state>;

} // namespace foreshift
