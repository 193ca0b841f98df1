// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/board.hpp"

#include "core/affinity/affinity.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

constexpr unsigned strip_slices = 256;
constexpr std::size_t flips_kept = 64;

} // namespace

board_state::board_state(interface::pointer self, const clock_source& clock, policy rules)
    : self_(self), clock_(clock), rules_(rules),
      trickle_(static_cast<double>(rules.trickle_rate_bytes), 0, clock.monotonic_ns()) {}

board_actor::behavior_type board_state::make_behavior() {
  compat::send_later(self_, board_actor{self_}, rules_.cycle_interval, tick{});
  return {
      [this](const packet<schema::ForecastReport>& x) { return take(x); },
      [this](const packet<schema::AffinityGet>& x) { return matrix(x.read().getVolume().cStr()); },
      [this](const packet<schema::HotGet>& x) { return hot(x); },
      [this](const packet<schema::PlanGet>& x) { return make(x); },
      [this](const packet<schema::TargetsGet>& x) { return targets(x); },
      [this](const intents_ptr& x) { intents_ = x; },
      [this](const pasts_ptr& x) { pasts_ = x; },
      [this](const visits_ptr& x) { visits_ = x; },
      [this](const survey_request& x) { return look(x); },
      [this](cycle_request) { return phases_; },
      [this](const proposals_actor& x) { background_ = x; },
      [this](const flip_measured& x) {
        flips_us_.push_back(x.total_us);
        if (flips_us_.size() > flips_kept)
          flips_us_.pop_front();
      },
      [this](const volume_changed& x) { changed(x.now); },
      [this](const host_changed& x) { follow(hosts_, x); },
      [this](tick) {
        cycle();
        compat::send_later(self_, board_actor{self_}, rules_.cycle_interval, tick{});
      },
  };
}

void board_state::changed(const volume_ptr& now) {
  auto former = volumes_.find(now->id());
  if (now->erased) {
    volumes_.erase(now->id());
    names_.erase(now->name());
    outlooks_.erase(now->id());
    settled_ns_.erase(now->id());
    speculation_.forget(now->id());
    return;
  }
  speculation_.look(now->facts.placement, now->facts.lease.holder);
  if (former != volumes_.end() && former->second->facts.lease_revision != now->facts.lease_revision)
    settled_ns_[now->id()] = clock_.monotonic_ns();
  volumes_[now->id()] = now;
  names_[now->name()] = now->id();
}

caf::result<ack> board_state::take(const packet<schema::ForecastReport>& x) {
  auto in = x.read().getForecast();
  auto at = volumes_.find(in.getVolume());
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", in.getVolume())});
  std::string host = in.getHost().cStr();
  auto& holder = at->second->facts.lease.holder;
  auto known = outlooks_.find(in.getVolume());
  // A former holder's last words must not replace what the present one says.
  if (holder != host && !holder.empty() && known != outlooks_.end() && known->second.host == holder)
    return ack{};
  outlooks_[in.getVolume()] = {x, std::make_shared<const forecast>(decode_forecast(in)),
                               std::move(host)};
  return ack{};
}

result<volume_ptr> board_state::find(const std::string& volume) const {
  auto at = names_.find(volume);
  if (at == names_.end())
    return fault{errc::not_found, fmt::format("no volume named '{}'", volume)};
  return volumes_.at(at->second);
}

const forecast* board_state::expected_of(std::uint64_t volume) const {
  auto at = outlooks_.find(volume);
  return at == outlooks_.end() ? nullptr : at->second.expected.get();
}

std::vector<host_view> board_state::host_views() const {
  std::vector<host_view> all;
  for (auto& [host_name, host] : hosts_)
    all.push_back(view_of(*host));
  return all;
}

plan_request board_state::request_to(const std::string& host) const {
  plan_request request;
  request.to = host;
  request.budget_bytes = rules_.budget_bytes;
  request.rate_bytes = rules_.rates.of_one();
  request.expected_flip_us = median_flip_us();
  return request;
}

std::uint64_t board_state::median_flip_us() const {
  std::vector<std::uint64_t> sorted{flips_us_.begin(), flips_us_.end()};
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() ? 0 : sorted[sorted.size() / 2];
}

caf::result<packet<schema::AffinityMatrix>> board_state::matrix(const std::string& volume) const {
  std::vector<volume_ptr> chosen;
  if (!volume.empty()) {
    auto one = find(volume);
    if (!one)
      return to_caf(one.error());
    chosen.push_back(*one);
  } else {
    for (auto& [id, entry] : volumes_)
      chosen.push_back(entry);
  }
  std::vector<volume_view> views;
  for (auto& x : chosen)
    views.push_back({&x->facts.placement, expected_of(x->id()), x->facts.lease.holder,
                     x->facts.lease.prepared.to});
  auto hosts = host_views();
  auto scores = affinity_scores(views, hosts);
  auto pulls = affinity_pulls(views, hosts);
  return packet<schema::AffinityMatrix>::make([&](auto out) {
    out.setAtMs(clock_.wall_ms());
    auto rows = out.initRows(static_cast<unsigned>(views.size()));
    for (unsigned v = 0; v < views.size(); ++v) {
      rows[v].setVolume(chosen[v]->id());
      rows[v].setName(chosen[v]->name().c_str());
      rows[v].setHost(views[v].compute.c_str());
      rows[v].setTarget(views[v].target.c_str());
      auto cells = rows[v].initCells(static_cast<unsigned>(hosts.size()));
      for (unsigned h = 0; h < hosts.size(); ++h) {
        cells[h].setHost(hosts[h].name.c_str());
        cells[h].setScore(scores(v, h));
        cells[h].setPull(pulls(v, h));
      }
    }
  });
}

caf::result<packet<schema::Hot>> board_state::hot(const packet<schema::HotGet>& x) const {
  auto volume = find(x.read().getVolume().cStr());
  if (!volume)
    return to_caf(volume.error());
  auto known = outlooks_.find((*volume)->id());
  auto extents = (*volume)->facts.shape().extents();
  return packet<schema::Hot>::make([&](auto out) {
    out.setName((*volume)->name().c_str());
    out.setExtentsTotal(extents);
    auto strip = out.initStrip(strip_slices);
    if (known == outlooks_.end()) {
      out.initForecast().setVolume((*volume)->id());
      return;
    }
    auto raw = known->second.raw.read().getForecast();
    out.setForecast(raw);
    auto all = raw.getExtents();
    auto top = std::min<unsigned>(all.size(), x.read().getTop());
    auto listed = out.getForecast().initExtents(top);
    for (unsigned i = 0; i < top; ++i)
      listed.setWithCaveats(i, all[i]);
    for (auto heat : all)
      if (heat.getExtent() < extents) {
        auto slice =
            static_cast<unsigned>(std::uint64_t{heat.getExtent()} * strip_slices / extents);
        strip.set(slice, strip[slice] + heat.getReads() + heat.getWrites());
      }
  });
}

caf::result<packet<schema::Plan>> board_state::make(const packet<schema::PlanGet>& x) {
  auto volume = find(x.read().getVolume().cStr());
  if (!volume)
    return to_caf(volume.error());
  std::string to = x.read().getTo().cStr();
  if (!hosts_.contains(to))
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", to)});
  if (!hosts_.at(to)->up)
    return to_caf(fault{errc::precondition, fmt::format("host '{}' is down", to)});
  auto request = request_to(to);
  if (x.read().getBudgetBytes() > 0)
    request.budget_bytes = x.read().getBudgetBytes();
  auto& facts = (*volume)->facts;
  volume_view view{&facts.placement, expected_of((*volume)->id()), facts.lease.holder, to};
  auto made = make_plan(view, host_views(), request);
  return encode(made, facts.shape(), request, ++last_plan_, clock_.wall_ms());
}

} // namespace foreshift::control
