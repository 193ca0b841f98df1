// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"

#include <string>

namespace foreshift {

struct porter_options {
  std::string host{};
};

/// Hears from tools on this host (libvirt's hook) what becomes of VMs. For one that arrives it asks
/// the coordinator to announce its volumes, so that the VM can connect here ahead of the lease, and
/// answers once that is done.
class porter_state {
public:
  using interface = porter_actor;

  static constexpr const char* name = "porter";

  porter_state(interface::pointer self, uplink_actor uplink, porter_options options)
      : self_(self), uplink_(std::move(uplink)), options_(std::move(options)) {}

  interface::behavior_type make_behavior();

private:
  caf::result<packet<schema::Done>> heard(const packet<schema::GuestNote>& x);

  interface::pointer self_;
  const uplink_actor uplink_;
  const porter_options options_;
};

using porter = hosted<porter_state>;

} // namespace foreshift
