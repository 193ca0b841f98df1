// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/directory.hpp"

#include "core/lease/replicas.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto ask_timeout = 5s;

} // namespace

directory_state::directory_state(interface::pointer self, directory_parts around,
                                 const clock_source& clock, std::string version,
                                 std::uint64_t token)
    : self_(self), around_(std::move(around)), clock_(clock), version_(std::move(version)),
      token_(token), began_ns_(clock.monotonic_ns()) {}

directory_actor::behavior_type directory_state::make_behavior() {
  directory_actor me{self_};
  self_->send(around_.membership, subscribe{watcher_actor{me}});
  self_->send(around_.catalog, subscribe{watcher_actor{me}});
  return {
      [this](const packet<schema::StatusGet>&) { return status(); },
      [this](const packet<schema::HostList>&) { return hosts(); },
      [this](const packet<schema::HostShow>& x) { return host(x.read().getName().cStr()); },
      [this](const packet<schema::ScrubStart>& x) { return scrub(x); },
      [this](const packet<schema::HostOkToStop>& x) {
        return ok_to_stop(x.read().getName().cStr());
      },
      [this](const packet<schema::VolumeList>&) { return volumes(); },
      [this](const packet<schema::VolumeShow>& x) { return volume(x.read().getName().cStr()); },
      [this](const volume_changed& x) {
        if (x.now->erased)
          volumes_.erase(x.now->name());
        else
          volumes_[x.now->name()] = x.now;
      },
      [this](const host_changed& x) { follow(hosts_, x); },
      [this](const care_ptr& x) { care_ = x; },
  };
}

directory_state::status_promise directory_state::status() {
  auto reply = self_->make_response_promise<packet<schema::Status>>();
  auto fail = [reply](const caf::error& why) mutable { reply.deliver(why); };
  self_->request(around_.conductor, ask_timeout, activity_request{})
      .then(
          [this, reply, fail](const activity& busy) mutable {
            self_->request(around_.board, ask_timeout, cycle_request{})
                .then(
                    [this, reply, busy](const cycle_ptr& phases) mutable {
                      reply.deliver(describe(busy, phases));
                    },
                    fail);
          },
          fail);
  return reply;
}

packet<schema::Status> directory_state::describe(const activity& busy,
                                                 const cycle_ptr& phases) const {
  auto wrong = problems();
  auto cycle = phases->phases;
  if (busy.execute_ms > 0)
    cycle.push_back({"execute", busy.execute_ms, busy.execute_us});
  if (busy.migrate_ms > 0)
    cycle.push_back({"migrate", busy.migrate_ms, busy.migrate_us});
  return packet<schema::Status>::make([&](auto out) {
    out.setVersion(version_.c_str());
    out.setToken(token_);
    out.setUpMs(static_cast<std::uint64_t>(clock_.monotonic_ns() - began_ns_) / 1'000'000);
    out.setHosts(static_cast<std::uint32_t>(hosts_.size()));
    out.setHostsUp(static_cast<std::uint32_t>(
        std::count_if(hosts_.begin(), hosts_.end(), [](auto& x) { return x.second->up; })));
    out.setVolumes(static_cast<std::uint32_t>(volumes_.size()));
    out.setAttached(
        static_cast<std::uint32_t>(std::count_if(volumes_.begin(), volumes_.end(), [](auto& x) {
          return !x.second->facts.lease.holder.empty();
        })));
    out.setTasksRunning(busy.tasks_running);
    out.setMoveBytesPerSecond(busy.move_bytes_per_second);
    out.setHealth(wrong.empty() ? "ok" : "degraded");
    auto texts = out.initProblems(static_cast<unsigned>(wrong.size()));
    for (unsigned i = 0; i < wrong.size(); ++i)
      texts.set(i, wrong[i].c_str());
    auto rows = out.initCycle(static_cast<unsigned>(cycle.size()));
    for (unsigned i = 0; i < cycle.size(); ++i) {
      rows[i].setName(cycle[i].name.c_str());
      rows[i].setStartMs(cycle[i].start_ms);
      rows[i].setDurationUs(cycle[i].duration_us);
    }
    auto speculation = out.initSpeculation();
    speculation.setCopiedBytes(phases->speculation.copied);
    speculation.setHeldBytes(phases->speculation.held());
    speculation.setUsedBytes(phases->speculation.used);
    speculation.setWastedBytes(phases->speculation.wasted);
  });
}

std::vector<std::string> directory_state::problems() const {
  std::vector<std::string> all;
  for (auto& [which, entry] : hosts_) {
    if (!entry->up)
      all.push_back(fmt::format("host {} is down", which));
    for (auto row : entry->report.read().getPlane().getVolumes())
      for (auto& text : damage_of(which, row))
        all.push_back(std::move(text));
  }
  for (auto& [which, entry] : volumes_) {
    if (auto& lease = entry->facts.lease; !lease.holder.empty() && !hosts_.contains(lease.holder))
      all.push_back(
          fmt::format("volume {} is attached at an unknown host {}", which, lease.holder));
    if (auto missing = degradation_of(entry->facts.placement); !missing.empty())
      all.push_back(fmt::format("volume {}: {}", which, missing));
  }
  all.insert(all.end(), care_->problems.begin(), care_->problems.end());
  return all;
}

std::vector<std::string> directory_state::attached_at(const std::string& which) const {
  std::vector<std::string> all;
  for (auto& [volume_name, entry] : volumes_)
    if (entry->facts.lease.holder == which)
      all.push_back(volume_name);
  return all;
}

packet<schema::Hosts> directory_state::hosts() const {
  std::map<std::string, std::vector<std::string>> attached;
  for (auto& [volume_name, entry] : volumes_)
    attached[entry->facts.lease.holder].push_back(volume_name);
  return packet<schema::Hosts>::make([&](auto out) {
    auto rows = out.initHosts(static_cast<unsigned>(hosts_.size()));
    unsigned i = 0;
    for (auto& [which, entry] : hosts_)
      encode_host(*entry, attached[which], rows[i++]);
  });
}

caf::result<packet<schema::Host>> directory_state::host(const std::string& which) const {
  auto at = hosts_.find(which);
  if (at == hosts_.end())
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", which)});
  return packet<schema::Host>::make(
      [&](auto out) { encode_host(*at->second, attached_at(which), out); });
}

caf::result<ack> directory_state::scrub(const packet<schema::ScrubStart>& x) {
  auto which = std::string{x.read().getHost().cStr()};
  if (!hosts_.contains(which))
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", which)});
  auto order = packet<schema::PlaneScrub>::make(
      [full = x.read().getFull()](auto out) { out.setFull(full); });
  auto reply = self_->make_response_promise<ack>();
  self_
      ->request(around_.membership, ask_timeout,
                relay{which, sealed{door::wrap(order)}, ask_timeout})
      .then([reply](const sealed&) mutable { reply.deliver(ack{}); },
            [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

caf::result<packet<schema::StopEffects>>
directory_state::ok_to_stop(const std::string& which) const {
  if (!hosts_.contains(which))
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", which)});
  std::vector<std::pair<std::string, lease::stop_effect>> found;
  bool ok = true;
  for (auto& [volume_name, entry] : volumes_) {
    auto& facts = entry->facts;
    auto effect = lease::effect_of_stopping(facts.placement, facts.lease.holder, which);
    if (!effect.attached && effect.blocked == 0 && effect.degraded == 0)
      continue;
    ok = ok && !effect.attached && effect.blocked == 0;
    found.emplace_back(volume_name, effect);
  }
  return packet<schema::StopEffects>::make([&](auto out) {
    out.setOk(ok);
    auto rows = out.initEffects(static_cast<unsigned>(found.size()));
    for (unsigned i = 0; i < found.size(); ++i) {
      rows[i].setVolume(found[i].first.c_str());
      rows[i].setAttached(found[i].second.attached);
      rows[i].setBlocked(found[i].second.blocked);
      rows[i].setDegraded(found[i].second.degraded);
    }
  });
}

packet<schema::Volumes> directory_state::volumes() const {
  return packet<schema::Volumes>::make([&](auto out) {
    auto rows = out.initVolumes(static_cast<unsigned>(volumes_.size()));
    unsigned i = 0;
    for (auto& [which, entry] : volumes_)
      encode_volume(*entry, hosts_, *care_, rows[i++]);
  });
}

caf::result<packet<schema::VolumeInfo>> directory_state::volume(const std::string& which) const {
  auto at = volumes_.find(which);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume named '{}'", which)});
  return packet<schema::VolumeInfo>::make(
      [&](auto out) { encode_volume(*at->second, hosts_, *care_, out); });
}

} // namespace foreshift::control
