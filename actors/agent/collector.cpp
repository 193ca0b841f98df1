// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/collector.hpp"

#include "core/base/log.hpp"

namespace foreshift {

collector_state::collector_state(interface::pointer self, collector_parts parts,
                                 host_reporter reporter, collector_options options)
    : self_(self), parts_(std::move(parts)), reporter_(std::move(reporter)), options_(options) {}

collector_actor::behavior_type collector_state::make_behavior() {
  self_->send(self_, tick_alarm{});
  self_->send(self_, drain_alarm{});
  return {
      [this](tick_alarm) { sample(); },
      [this](drain_alarm) { drain(); },
      [this](const guests_ptr& x) { guests_ = x; },
  };
}

void collector_state::sample() {
  // Armed first, so that a slow answer does not stretch the interval; the timeout bounds what
  // overlaps.
  compat::send_later(self_, self_, options_.sample_interval, tick_alarm{});
  self_
      ->request(parts_.plane, options_.plane_timeout,
                packet<schema::PlaneStatusGet>::make([](auto) {}))
      .then(
          [this](const packet<schema::PlaneStatus>& status) {
            if (!plane_up_)
              slog::info("the data plane answers pid={}", status.read().getPid());
            plane_up_ = true;
            self_->send(parts_.forecasts, status);
            send_report(&status);
          },
          [this](const caf::error& why) {
            if (plane_up_)
              slog::warn("the data plane does not answer: {}", to_fault(why).detail);
            plane_up_ = false;
            send_report(nullptr);
          });
}

void collector_state::send_report(const packet<schema::PlaneStatus>* status) {
  auto report = reporter_.report(status, *guests_);
  self_->send(parts_.forecasts, report);
  self_->request(parts_.uplink, options_.plane_timeout, report)
      .then(
          [this](const packet<schema::HostWelcome>& wanted) {
            self_->send(parts_.mover, wanted);
            self_->send(parts_.forecasts, wanted);
          },
          [](const caf::error& why) {
            slog::error("the uplink does not take reports: {}", to_fault(why).detail);
          });
}

void collector_state::drain() {
  auto ask = packet<schema::PlaneLogGet>::make(
      [this](auto root) { root.setRecordsMax(options_.records_max); });
  self_->request(parts_.plane, options_.plane_timeout, ask)
      .then([this](const packet<schema::PlaneLog>& log) { drained(log); },
            [this](const caf::error&) { drain_again(false); }); // `sample` tells the operator
}

void collector_state::drained(const packet<schema::PlaneLog>& log) {
  // Also when empty: the vault writes out what it has gathered.
  self_->request(parts_.vault, options_.store_timeout, log)
      .then([this, log](const packet<schema::Done>&) { learn(log); },
            [this, log](const caf::error& why) {
              // The forecast can do without history on disk; the operator cannot see far back then.
              slog::error("access history is not stored: {}", to_fault(why).detail);
              learn(log);
            });
}

void collector_state::learn(const packet<schema::PlaneLog>& log) {
  if (log.read().getBatches().size() == 0) {
    drain_again(log.read().getMore());
    return;
  }
  self_->request(parts_.forecasts, options_.store_timeout, log)
      .then([this, more = log.read().getMore()](const packet<schema::Done>&) { drain_again(more); },
            [this](const caf::error& why) {
              slog::error("forecasts do not take accesses: {}", to_fault(why).detail);
              drain_again(false);
            });
}

void collector_state::drain_again(bool at_once) {
  if (at_once)
    self_->send(self_, drain_alarm{});
  else
    compat::send_later(self_, self_, options_.drain_interval, drain_alarm{});
}

} // namespace foreshift
