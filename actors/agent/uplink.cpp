// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/uplink.hpp"

#include "core/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift {

uplink_state::uplink_state(interface::pointer self, std::vector<coordinator_link> links,
                           vault_actor vault, host_identity identity, uplink_options options)
    : self_(self), links_(std::move(links)), vault_(std::move(vault)),
      identity_(std::move(identity)), options_(options), backoff_(options.backoff_min) {
  FORESHIFT_ENSURE(!links_.empty());
}

uplink_actor::behavior_type uplink_state::make_behavior() {
  self_->send(self_, tick_alarm{});
  return {
      [this](const packet<schema::HostReport>& x) {
        latest_ = x;
        measured_ = true;
        return wanted_;
      },
      [this](const packet<schema::AgentStatusGet>&) { return status(); },
      [this](const packet<schema::ForecastReport>& x) { pass_on(x); },
      [this](const packet<schema::ReplicasSuspected>& x) { pass_on(x); },
      [this](const packet<schema::LeaseWanted>& x) { pass_on(x); },
      [this](const packet<schema::GuestExpected>& x) { return pass_on(x); },
      [this](tick_alarm) { tick(); },
  };
}

// Exactly one alarm or one request of this chain is under way at any time.
void uplink_state::tick() {
  if (!measured_)
    arm(options_.first_report); // hello names the volumes that are here: wait for them
  else if (welcome_)
    report();
  else
    hello();
}

void uplink_state::hello() {
  self_->request(link().actor, options_.timeout, introduction())
      .then([this](const packet<schema::HostWelcome>& offer) { check_token(offer); },
            [this](const caf::error& why) { lost(to_fault(why)); });
}

void uplink_state::check_token(const packet<schema::HostWelcome>& offer) {
  self_->request(vault_, options_.timeout, offer)
      .then(
          [this, offer](const packet<schema::AgentStatus>& kept) {
            auto highest = kept.read().getToken();
            if (offer.read().getToken() >= highest)
              welcomed(offer);
            else
              lost({errc::refused,
                    fmt::format("its leadership token {} is older than {}, which this "
                                "host has obeyed",
                                offer.read().getToken(), highest)});
          },
          [this](const caf::error& why) { lost(to_fault(why)); });
}

void uplink_state::welcomed(const packet<schema::HostWelcome>& offer) {
  slog::info("the coordinator welcomes this host address={} token={}", link().address,
             offer.read().getToken());
  welcome_ = true;
  complained_ = false;
  wanted_ = offer;
  backoff_ = options_.backoff_min;
  arm(std::chrono::milliseconds{0});
}

void uplink_state::report() {
  self_->request(link().actor, options_.timeout, latest_)
      .then(
          [this](const packet<schema::Done>&) {
            auto ms = wanted_.read().getReportMs();
            arm(ms > 0 ? std::chrono::milliseconds{ms} : options_.report_interval);
          },
          [this](const caf::error& why) { lost(to_fault(why)); });
}

void uplink_state::lost(const fault& why) {
  // One sentence per loss: a coordinator that stays away must not fill the log.
  if (!complained_)
    slog::warn("no coordinator at {}, trying on: {}", link().address, why.detail);
  complained_ = true;
  welcome_ = false;
  wanted_ = {};
  current_ = (current_ + 1) % links_.size();
  arm(backoff_);
  backoff_ = std::min(backoff_ * 2, options_.backoff_max);
}

void uplink_state::pass_on(const packet<schema::ForecastReport>& x) {
  if (!welcome_ || forecasts_in_flight_ >= options_.forecasts_in_flight_max)
    return;
  ++forecasts_in_flight_;
  self_->request(link().actor, options_.timeout, x)
      .then([this](const packet<schema::Done>&) { --forecasts_in_flight_; },
            [this](const caf::error& why) {
              --forecasts_in_flight_;
              slog::debug("a forecast was not taken: {}", to_fault(why).detail);
            });
}

void uplink_state::pass_on(const packet<schema::ReplicasSuspected>& x) {
  if (!welcome_)
    return;
  self_->request(link().actor, options_.timeout, x)
      .then([](const packet<schema::Done>&) {},
            [](const caf::error& why) {
              slog::warn("the coordinator did not hear of failed replicas: {}",
                         to_fault(why).detail);
            });
}

void uplink_state::pass_on(const packet<schema::LeaseWanted>& x) {
  if (!welcome_)
    return;
  self_->request(link().actor, options_.timeout, x)
      .then([](const packet<schema::Done>&) {},
            [](const caf::error& why) {
              slog::warn("the coordinator did not hear that a lease is wanted: {}",
                         to_fault(why).detail);
            });
}

caf::result<packet<schema::Done>> uplink_state::pass_on(const packet<schema::GuestExpected>& x) {
  if (!welcome_)
    return to_caf({errc::unreachable, "no coordinator answers this host"});
  return self_->delegate(link().actor, x);
}

void uplink_state::arm(std::chrono::milliseconds after) {
  if (after.count() > 0)
    compat::send_later(self_, self_, after, tick_alarm{});
  else
    self_->send(self_, tick_alarm{});
}

packet<schema::HostHello> uplink_state::introduction() const {
  return packet<schema::HostHello>::make([this](auto root) {
    auto address = root.initAddress();
    address.setName(identity_.name.c_str());
    address.setZone(identity_.zone.c_str());
    address.setNbd(identity_.nbd.c_str());
    address.setPlane(identity_.plane.c_str());
    address.setAgent(identity_.agent.c_str());
    root.setVersion(identity_.version.c_str());
    root.setBootMs(identity_.boot_ms);
    root.setPlane(latest_.read().getPlane());
  });
}

packet<schema::AgentStatus> uplink_state::status() const {
  return packet<schema::AgentStatus>::make([this](auto root) {
    root.setHost(identity_.name.c_str());
    root.setVersion(identity_.version.c_str());
    if (welcome_)
      root.setCoordinator(link().address.c_str());
  });
}

} // namespace foreshift
