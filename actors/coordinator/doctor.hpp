// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "core/base/clock.hpp"
#include "core/door/door.hpp"

#include <string>

namespace foreshift::control {

struct doctor_parts {
  membership_actor membership;
  conductor_actor conductor;
  events_actor events;
};

/// Examines the cell when asked to. It keeps nothing: each examination is an actor of its own, so
/// that a slow host holds up no other.
class doctor_state {
public:
  using interface = doctor_actor;

  static constexpr const char* name = "doctor";

  /// `tls`: the coordinator's own files, to look at.
  doctor_state(interface::pointer self, doctor_parts around, const clock_source& clock,
               std::string version, door::tls_files tls);

  interface::behavior_type make_behavior();

private:
  interface::pointer self_;
  const doctor_parts around_;
  const clock_source& clock_;
  const std::string version_;
  const door::tls_files tls_;
};

using doctor = hosted<doctor_state>;

} // namespace foreshift::control
