// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/mender.hpp"

#include "core/base/log.hpp"
#include "core/lease/repair.hpp"

#include <fmt/format.h>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto look_interval = 1s;
constexpr auto loss_timeout = 2min;
/// A primary that waits complains every second.
constexpr std::int64_t complaint_ns = 5'000'000'000;

} // namespace

mender_state::mender_state(interface::pointer self, mender_parts around, const clock_source& clock,
                           policy rules)
    : self_(self), around_(std::move(around)), clock_(clock), rules_(rules) {}

mender_actor::behavior_type mender_state::make_behavior() {
  compat::send_later(self_, mender_actor{self_}, look_interval, tick{});
  return {
      [this](const packet<schema::ReplicasSuspected>& x) { return suspected(x); },
      [this](const volume_changed& x) { changed(x.now); },
      [this](const host_changed& x) { follow(hosts_, x); },
      [this](tick) {
        forget_waits();
        mend();
        publish();
        compat::send_later(self_, mender_actor{self_}, look_interval, tick{});
      },
  };
}

/// Only the primary's word counts: a host that the coordinator does not hear of may serve well.
ack mender_state::suspected(const packet<schema::ReplicasSuspected>& x) {
  std::string reporter = x.read().getReporter().cStr();
  std::map<std::uint64_t, std::set<std::string>> together;
  for (auto suspect : x.read().getSuspects())
    together[suspect.getVolume()].insert(suspect.getHost().cStr());
  for (auto suspect : x.read().getSuspects()) {
    auto at = volumes_.find(suspect.getVolume());
    if (at == volumes_.end())
      continue;
    auto& lease = at->second->facts.lease;
    // A flip under way goes first; the complaint comes again.
    if (lease.holder == reporter && lease.held_epoch == suspect.getEpoch()
        && lease.prepared.id == 0) {
      const auto& all = together[suspect.getVolume()];
      decide(*at->second, suspect.getHost().cStr(), {all.begin(), all.end()},
             suspect.getReason().cStr());
    }
  }
  publish();
  return ack{};
}

/// What only suspects have is taken from none of them: which of them comes back first, and with
/// everything, nobody knows.
void mender_state::decide(const volume_entry& volume, const std::string& host,
                          const host_set& suspects, const std::string& reason) {
  place here{volume.id(), host};
  if (deciding_.contains(here))
    return;
  auto& map = volume.facts.placement;
  auto only = (lease::held_only_by(map, suspects) & map.in_sync(host)).cardinality();
  if (only > 0) {
    bool fresh = !waits_.contains(here);
    waits_[here] = {only, reason, clock_.monotonic_ns()};
    if (fresh)
      note("error", volume.id(),
           fmt::format("writes wait for host {}, without which nobody has {} extents: {}", host,
                       only, reason));
    return;
  }
  deciding_.insert(here);
  loss_order order{volume.id(), host, volume.facts.lease.held_epoch};
  self_->request(around_.conductor, loss_timeout, std::move(order))
      .then([this, here,
             reason](const finish_ptr& how) { left_out(here.first, here.second, reason, *how); },
            [this, here, reason](const caf::error& why) {
              lease::finish failed;
              failed.why = to_fault(why);
              left_out(here.first, here.second, reason, failed);
            });
}

void mender_state::left_out(std::uint64_t volume, const std::string& host,
                            const std::string& reason, const lease::finish& how) {
  deciding_.erase({volume, host});
  if (how.why)
    return slog::info("host {} is not left out of volume {} yet: {}", host, volume,
                      to_string(*how.why));
  auto at = volumes_.find(volume);
  if (at == volumes_.end() || !at->second->facts.placement.lost().contains(host))
    return;
  auto& map = at->second->facts.placement;
  auto left = map.shape().replicas;
  for (auto& [hosts, extents] : lease::replica_sets(map))
    left = std::min(left, static_cast<std::uint32_t>(hosts.size()));
  note("warning", volume,
       fmt::format("replica {} left out: {}; {} of {} left", host, reason, left,
                   map.shape().replicas));
}

void mender_state::forget_waits() {
  auto now = clock_.monotonic_ns();
  for (auto at = waits_.begin(); at != waits_.end();) {
    if (now - at->second.heard_ns < complaint_ns) {
      ++at;
      continue;
    }
    note("info", at->first.first, fmt::format("host {} is waited for no longer", at->first.second));
    at = waits_.erase(at);
  }
}

std::string mender_state::state_of(const volume_entry& volume, const std::string& host) const {
  auto at = away_.find({volume.id(), host});
  if (at == away_.end())
    return "gives up what others hold now";
  if (at->second.bytes > 0 || (is_up(host) && busy_.contains(volume.id())))
    return "returns";
  return is_up(host) ? "will return" : "away";
}

void mender_state::publish() {
  care now;
  for (auto& [at, x] : waits_)
    if (auto volume = volumes_.find(at.first); volume != volumes_.end())
      now.problems.push_back(
          fmt::format("volume {}: writes wait for host {}, without which nobody has {} extents: "
                      "{}",
                      volume->second->name(), at.second, x.extents, x.reason));
  for (auto& [id, volume] : volumes_)
    for (auto& [host, lost] : volume->facts.placement.lost())
      now.lost[{id, host}] = state_of(*volume, host);
  if (now == *published_)
    return;
  published_ = std::make_shared<const care>(std::move(now));
  self_->send(around_.directory, published_);
}

void mender_state::note(std::string level, std::uint64_t volume, std::string text) {
  auto at = volumes_.find(volume);
  auto about = at == volumes_.end() ? std::to_string(volume) : at->second->name();
  self_->send(around_.events, event_note{std::move(level), "volume " + about, std::move(text)});
}

} // namespace foreshift::control
