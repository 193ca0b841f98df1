// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"

#include <set>

namespace foreshift::control {

/// Carries out what the board proposes, one batch a volume at a time. What fails is proposed again.
class balancer_state {
public:
  using interface = proposals_actor;

  static constexpr const char* name = "balancer";

  balancer_state(interface::pointer self, conductor_actor conductor);

  interface::behavior_type make_behavior();

private:
  void take(const proposal& x);
  template <class Order>
  void begin(std::uint64_t volume, Order order);

  interface::pointer self_;
  const conductor_actor conductor_;
  std::set<std::uint64_t> busy_; ///< Volumes with work of ours in flight.
};

using balancer = hosted<balancer_state>;

} // namespace foreshift::control
