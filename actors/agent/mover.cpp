// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/mover.hpp"

#include "core/base/log.hpp"
#include "core/volume/roaring_codec.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace foreshift {

namespace {

constexpr unsigned compared_per_pull = 256;
// A quarter of a second's worth may be saved up: few wake-ups for us.
constexpr double burst_s = 0.25;
constexpr double pull_s = 1.0 / 16;
constexpr double extent_bytes = 1u << 20; // the usual size: no more than a pull's size hangs on it

packet<schema::PlanePull> pull_order(const packet<schema::AgentMove>& order, unsigned first,
                                     unsigned count) {
  auto from = order.read();
  return packet<schema::PlanePull>::make([&](auto root) {
    root.setVolume(from.getVolume());
    root.setMove(from.getMove());
    root.setSource(from.getSource());
    auto extents = root.initExtents(count);
    for (unsigned i = 0; i < count; ++i)
      extents.set(i, from.getExtents()[first + i]);
    root.setChanged(from.getChanged());
    root.setMore(first + count < from.getExtents().size());
  });
}

/// Extents of the next pull. What has not changed is only compared in a resync, so much of it goes
/// at once.
unsigned next_pull(const packet<schema::AgentMove>& order, unsigned first, unsigned busy_max) {
  auto extents = order.read().getExtents();
  auto bytes = order.read().getChanged();
  auto changed = decode_roaring({bytes.begin(), bytes.size()}, ~0u);
  if (bytes.size() == 0 || !changed)
    return std::min(busy_max, extents.size() - first);
  unsigned busy = 0;
  unsigned count = 0;
  while (first + count < extents.size() && count < compared_per_pull) {
    busy += changed->contains(extents[first + count]);
    if (busy > busy_max)
      break;
    ++count;
  }
  return count;
}

std::uint64_t to_us(std::chrono::nanoseconds x) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, x.count() / 1000));
}

} // namespace

mover_state::mover_state(interface::pointer self, plane_actor plane, const clock_source& clock,
                         mover_options options)
    : self_(self), plane_(std::move(plane)), clock_(clock), options_(options),
      bucket_(options.rate_bytes, options.rate_bytes * burst_s, clock.monotonic_ns()) {}

mover_actor::behavior_type mover_state::make_behavior() {
  return {
      [this](const packet<schema::AgentMove>& order) { return accept(order); },
      [this](const packet<schema::AgentStatusGet>&) {
        return packet<schema::AgentStatus>::make(
            [&](auto root) { root.setMoveRateNow(static_cast<std::uint64_t>(bucket_.rate())); });
      },
      [this](const packet<schema::HostWelcome>& x) {
        auto allowed = static_cast<double>(x.read().getMoveRateBytes());
        bucket_.set_rate(allowed > 0 ? std::min(options_.rate_bytes, allowed) : options_.rate_bytes,
                         clock_.monotonic_ns());
      },
      [this](job_alarm x) { go_on(x.job); },
  };
}

caf::result<packet<schema::AgentMoved>>
mover_state::accept(const packet<schema::AgentMove>& order) {
  auto again = std::find_if(jobs_.begin(), jobs_.end(),
                            [&](const auto& x) { return x.second.order == order; });
  if (again == jobs_.end()) {
    if (jobs_.size() >= options_.moves_max)
      return to_caf({errc::busy, "too many moves wait for this host already"});
    job fresh;
    fresh.order = order;
    fresh.started_ns = clock_.monotonic_ns();
    if (auto rate = static_cast<double>(order.read().getRateBytes()); rate > 0)
      fresh.own.emplace(rate, 0.0, fresh.started_ns);
    again = jobs_.emplace(next_id_++, std::move(fresh)).first;
    waiting_.push_back(again->first);
  }
  again->second.asked.push_back(self_->make_response_promise<packet<schema::AgentMoved>>());
  promise answer = again->second.asked.back();
  start_waiting();
  return answer;
}

void mover_state::start_waiting() {
  while (!waiting_.empty() && running_ < options_.moves_running_max) {
    auto id = waiting_.front();
    waiting_.pop_front();
    ++running_;
    go_on(id);
  }
}

void mover_state::go_on(std::uint64_t id) {
  auto found = jobs_.find(id);
  if (found == jobs_.end())
    return;
  auto& x = found->second;
  auto total = x.order.read().getExtents().size();
  if (x.next >= total) {
    finish(id);
    return;
  }
  x.pulling = next_pull(x.order, x.next, pull_size(x));
  self_->request(plane_, options_.pull_timeout, pull_order(x.order, x.next, x.pulling))
      .then([this, id](const packet<schema::PlanePulled>& done) { pulled(id, done); },
            [this, id](const caf::error& why) { fail(id, why); });
}

/// Small steps keep a slow rate smooth; large ones spare a quick copy the pauses between them.
unsigned mover_state::pull_size(const job& x) const {
  auto rate = bucket_.rate();
  if (x.own)
    rate = std::min(rate, x.own->rate());
  auto extents = std::clamp(rate * pull_s / extent_bytes, double(options_.extents_per_pull),
                            double(options_.extents_per_pull_max));
  return static_cast<unsigned>(extents);
}

void mover_state::pulled(std::uint64_t id, const packet<schema::PlanePulled>& done) {
  auto found = jobs_.find(id);
  if (found == jobs_.end())
    return;
  auto& x = found->second;
  auto bytes = done.read().getBytesCopied();
  x.copied += bytes;
  x.skipped += done.read().getBytesSkipped();
  x.next += x.pulling;
  auto now_ns = clock_.monotonic_ns();
  auto wait = bucket_.take(static_cast<double>(bytes), now_ns);
  if (x.own)
    wait = std::max(wait, x.own->take(static_cast<double>(bytes), now_ns));
  if (wait.count() == 0 || x.next >= x.order.read().getExtents().size()) {
    go_on(id);
    return;
  }
  x.throttled += wait;
  compat::send_later(self_, self_, wait, job_alarm{id});
}

void mover_state::finish(std::uint64_t id) {
  auto& x = jobs_.at(id);
  auto answer = packet<schema::AgentMoved>::make([&](auto root) {
    root.setBytesCopied(x.copied);
    root.setBytesSkipped(x.skipped);
    root.setTookUs(to_us(std::chrono::nanoseconds{clock_.monotonic_ns() - x.started_ns}));
    root.setThrottledUs(to_us(x.throttled));
  });
  for (auto& to : x.asked)
    to.deliver(answer);
  drop(id);
}

void mover_state::fail(std::uint64_t id, const caf::error& why) {
  auto found = jobs_.find(id);
  if (found == jobs_.end())
    return;
  auto order = found->second.order.read();
  slog::warn("a move towards this host failed move={} volume={} extents_done={} of={}: {}",
             order.getMove(), order.getVolume(), found->second.next, order.getExtents().size(),
             to_fault(why).detail);
  for (auto& to : found->second.asked)
    to.deliver(why);
  drop(id);
}

void mover_state::drop(std::uint64_t id) {
  jobs_.erase(id);
  --running_;
  start_waiting();
}

} // namespace foreshift
