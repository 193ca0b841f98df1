// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/sentinel.hpp"

#include "core/base/log.hpp"

namespace foreshift {

sentinel_state::sentinel_state(interface::pointer self, plane_actor plane, uplink_actor uplink,
                               sentinel_options options)
    : self_(self), plane_(std::move(plane)), uplink_(std::move(uplink)),
      options_(std::move(options)) {}

sentinel_actor::behavior_type sentinel_state::make_behavior() {
  self_->send(self_, tick_alarm{});
  return {
      [this](tick_alarm) { ask(); },
      [this](job_alarm x) { report(x.job); },
  };
}

// Exactly one question or one alarm to ask it is under way at any time.
void sentinel_state::ask() {
  auto question = packet<schema::PlaneSuspectsWait>::make([this](auto root) {
    root.setSerial(latest_.read().getSerial());
    root.setTimeoutMs(static_cast<std::uint32_t>(options_.wait.count()));
  });
  self_->request(plane_, options_.wait + options_.patience, question)
      .then([this](const packet<schema::PlaneSuspects>& x) { heard(x); },
            [this](const caf::error& why) { lost(to_fault(why)); });
}

void sentinel_state::heard(const packet<schema::PlaneSuspects>& x) {
  complained_ = false;
  auto changed = x.read().getSerial() != latest_.read().getSerial();
  latest_ = x;
  if (changed) {
    for (auto suspect : x.read().getSuspects())
      slog::warn("the data plane waits for a replica volume={} host={}: {}", suspect.getVolume(),
                 suspect.getHost().cStr(), suspect.getReason().cStr());
    for (auto volume : x.read().getWishes())
      slog::info("a client's write waits for the lease volume={}", volume);
    report(++job_);
  }
  ask();
}

void sentinel_state::lost(const fault& why) {
  if (!complained_)
    slog::debug("the data plane does not say whom it waits for: {}", why.detail);
  complained_ = true;
  latest_ = {}; // what a dead data plane waited for is over
  ++job_;
  compat::send_later(self_, self_, options_.retry, tick_alarm{});
}

void sentinel_state::report(std::uint64_t job) {
  auto suspects = latest_.read().getSuspects();
  auto wishes = latest_.read().getWishes();
  if (job != job_ || (suspects.size() == 0 && wishes.size() == 0))
    return;
  if (wishes.size() > 0)
    self_->send(uplink_, packet<schema::LeaseWanted>::make([&](auto root) {
                  root.setHost(options_.host.c_str());
                  root.setVolumes(wishes);
                }));
  if (suspects.size() > 0)
    self_->send(uplink_, packet<schema::ReplicasSuspected>::make([&](auto root) {
                  root.setReporter(options_.host.c_str());
                  root.setSuspects(suspects);
                }));
  compat::send_later(self_, self_, options_.repeat, job_alarm{job});
}

} // namespace foreshift
