// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_supervisor.hpp"

#include "core/base/log.hpp"

namespace foreshift {

supervisor_state::supervisor_state(interface::pointer self, plane_actor plane,
                                   std::shared_ptr<plane_runner> runner, const clock_source& clock,
                                   supervisor_options options)
    : self_(self), plane_(std::move(plane)), runner_(std::move(runner)), clock_(clock),
      options_(options), policy_(options.policy) {}

supervisor_actor::behavior_type supervisor_state::make_behavior() {
  return {
      [this](const packet<schema::AgentStatusGet>&) {
        return packet<schema::AgentStatus>::make([this](auto root) {
          root.setPlanePid(policy_.pid());
          root.setPlaneRestarts(policy_.restarts());
        });
      },
      [this](tick_alarm) { tick(); },
      [this](stop_order) { return stop(); },
  };
}

void supervisor_state::tick() {
  compat::send_later(self_, self_, options_.tick, tick_alarm{});
  if (stopping_) {
    ended();
    return;
  }
  switch (policy_.next(clock_.monotonic_ns())) {
  case plane_step::probe:
    probe();
    break;
  case plane_step::start:
    start();
    break;
  case plane_step::watch:
    watch();
    break;
  case plane_step::wait:
  case plane_step::rest:
    break;
  }
}

void supervisor_state::probe() {
  if (probing_)
    return;
  probing_ = true;
  self_->request(plane_, options_.probe_timeout, packet<schema::Ping>::make([](auto) {}))
      .then([this](const packet<schema::Pong>& who) { probed(who.read().getPid()); },
            // One that is still opening its database answers later; its pid is on disk already.
            [this](const caf::error&) { probed(runner_->recorded().value_or(0)); });
}

void supervisor_state::probed(std::uint32_t pid) {
  probing_ = false;
  if (policy_.next(clock_.monotonic_ns()) != plane_step::probe)
    return;
  if (pid != 0 && runner_->adopt(pid)) {
    policy_.found(pid, clock_.monotonic_ns());
    slog::info("the running data plane is adopted pid={}", pid);
  } else {
    policy_.absent();
    start();
  }
}

void supervisor_state::start() {
  auto now_ns = clock_.monotonic_ns();
  if (auto pid = runner_->start()) {
    policy_.started(*pid, now_ns);
    slog::info("the data plane is started pid={}", *pid);
  } else {
    policy_.start_failed(now_ns);
    slog::error("the data plane does not start: {}", pid.error().detail);
  }
}

void supervisor_state::watch() {
  if (!runner_->gone())
    return;
  auto pid = policy_.pid();
  policy_.died(clock_.monotonic_ns());
  slog::error("the data plane ended pid={} restart_in={}ms: {}", pid,
              std::chrono::duration_cast<std::chrono::milliseconds>(policy_.backoff()).count(),
              runner_->last_words());
}

caf::result<packet<schema::Done>> supervisor_state::stop() {
  if (!stopping_) {
    stopping_ = self_->make_response_promise<packet<schema::Done>>();
    policy_.stop();
    runner_->terminate();
    auto answer = *stopping_;
    ended();
    return answer;
  }
  return to_caf({errc::busy, "the data plane is being stopped already"});
}

void supervisor_state::ended() {
  if (stopping_->pending() && runner_->gone())
    stopping_->deliver(packet<schema::Done>::make([](auto) {}));
}

} // namespace foreshift
