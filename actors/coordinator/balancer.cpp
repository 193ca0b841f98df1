// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/balancer.hpp"

namespace foreshift::control {

namespace {

constexpr std::chrono::minutes work_timeout{15};

} // namespace

balancer_state::balancer_state(interface::pointer self, conductor_actor conductor)
    : self_(self), conductor_(std::move(conductor)) {}

proposals_actor::behavior_type balancer_state::make_behavior() {
  return {
      [this](const proposals_ptr& all) {
        for (auto& one : *all)
          take(one);
      },
  };
}

void balancer_state::take(const proposal& x) {
  if (busy_.contains(x.volume))
    return;
  // What is missing near the VCI comes before what is too much elsewhere.
  if (!x.moves.empty()) {
    auto& first = x.moves.front();
    begin(x.volume, move_order{x.volume, first.from, first.to, first.extents, true});
  } else if (!x.retire.empty()) {
    auto& [host, extents] = x.retire.front();
    begin(x.volume, retire_order{x.volume, host, extents});
  }
}

template <class Order>
void balancer_state::begin(std::uint64_t volume, Order order) {
  busy_.insert(volume);
  self_->request(conductor_, work_timeout, std::move(order))
      .then([this, volume](const finish_ptr&) { busy_.erase(volume); },
            [this, volume](const caf::error&) { busy_.erase(volume); });
}

} // namespace foreshift::control
