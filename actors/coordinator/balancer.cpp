// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/balancer.hpp"

#include <algorithm>

namespace foreshift::control {

namespace {

constexpr std::chrono::minutes work_timeout{15};
constexpr std::size_t batch_extents_max = 16;

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
  if (x.moves.empty()) {
    if (!x.retire.empty())
      begin(x.volume, retire_order{x.volume, x.retire.front().first, x.retire.front().second});
    return;
  }
  auto& left = busy_[x.volume];
  for (auto& move : x.moves)
    for (std::size_t at = 0; at < move.extents.size(); at += batch_extents_max) {
      auto begin = move.extents.begin() + static_cast<std::ptrdiff_t>(at);
      auto end =
          begin
          + static_cast<std::ptrdiff_t>(std::min(batch_extents_max, move.extents.size() - at));
      left.push_back({x.volume, move.from, move.to, {begin, end}, true});
    }
  go_on(x.volume);
}

void balancer_state::go_on(std::uint64_t volume) {
  auto at = busy_.find(volume);
  if (at == busy_.end())
    return;
  if (at->second.empty()) {
    busy_.erase(at);
    return;
  }
  auto next = std::move(at->second.front());
  at->second.pop_front();
  begin(volume, std::move(next));
}

template <class Order>
void balancer_state::begin(std::uint64_t volume, Order order) {
  busy_.try_emplace(volume);
  self_->request(conductor_, work_timeout, std::move(order))
      .then(
          [this, volume](const finish_ptr& how) {
            if (how->why)
              busy_.erase(volume);
            else
              go_on(volume);
          },
          [this, volume](const caf::error&) { busy_.erase(volume); });
}

} // namespace foreshift::control
