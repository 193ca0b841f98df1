// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"

#include <deque>
#include <map>

namespace foreshift::control {

/// Carries out what the board proposes, one small batch a volume at a time, so that a flip never
/// waits long for it. While a proposal's moves last, later proposals for its volume are not looked
/// at. What fails is proposed again.
class balancer_state {
public:
  using interface = proposals_actor;

  static constexpr const char* name = "balancer";

  balancer_state(interface::pointer self, conductor_actor conductor);

  interface::behavior_type make_behavior();

private:
  void take(const proposal& x);
  void go_on(std::uint64_t volume);
  template <class Order>
  void begin(std::uint64_t volume, Order order);

  interface::pointer self_;
  const conductor_actor conductor_;
  /// Volumes with work of ours in flight, and what comes after it.
  std::map<std::uint64_t, std::deque<move_order>> busy_;
};

using balancer = hosted<balancer_state>;

} // namespace foreshift::control
