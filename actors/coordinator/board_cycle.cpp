// SPDX-License-Identifier: Apache-2.0
// The board's own loop: collect, forecast, score, plan; and what migrations ask of it.
#include "actors/coordinator/board.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

namespace foreshift::control {

namespace {

/// One round of background work for one volume: small, so that a flip never waits long for it.
constexpr std::size_t proposal_extents_max = 16;

} // namespace

host_view view_of(const host_entry& host) {
  auto report = host.report.read();
  auto disk = report.getNbsr().getDisk();
  host_view view;
  view.name = host.address.name;
  view.zone = host.address.zone;
  view.up = host.up;
  view.cpu_share = report.getSample().getCpuShare();
  view.read_p50_us = report.getNbsr().getReadP50Us();
  view.free_bytes = disk.getFreeBytes();
  view.total_bytes = disk.getTotalBytes();
  if (view.total_bytes == 0) {
    view.free_bytes = report.getPlane().getDisk().getFreeBytes();
    view.total_bytes = report.getPlane().getDisk().getTotalBytes();
  }
  return view;
}

forecast decode_forecast(schema::Forecast::Reader in) {
  forecast out;
  out.horizon_ms = in.getHorizonMs();
  out.total_reads = in.getTotalReads();
  out.total_writes = in.getTotalWrites();
  out.extents_active = in.getExtentsActive();
  out.observed_ms = in.getObservedMs();
  out.extents.reserve(in.getExtents().size());
  for (auto x : in.getExtents())
    out.extents.push_back({x.getExtent(), x.getReads(), x.getWrites(), x.getBytes()});
  for (auto x : in.getExperts())
    out.experts.push_back({x.getName().cStr(), x.getWeight()});
  return out;
}

caf::result<survey_ptr> board_state::look(const survey_request& x) const {
  auto at = volumes_.find(x.volume);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", x.volume)});
  auto& facts = at->second->facts;
  auto out = std::make_shared<survey>();
  auto* expected = expected_of(x.volume);
  if (!expected)
    return survey_ptr{out};
  out->forecast_known = true;
  out->accesses_expected = accesses_of(*expected);
  out->coverage = coverage_at(*expected, facts.placement, x.to).accesses;
  auto request = request_to(x.to);
  request.gain_min = x.gain_min;
  if (x.budget_bytes > 0)
    request.budget_bytes = x.budget_bytes;
  volume_view view{&facts.placement, expected, facts.lease.holder, x.to};
  auto made = make_plan(view, host_views(), request);
  out->bytes = made.bytes;
  for (auto& left : made.left)
    if (left.reason == "host full")
      out->destination_full = true;
  std::set<std::uint32_t> busy{x.in_flight.begin(), x.in_flight.end()};
  double arriving = 0;
  for (auto& move : made.moves) {
    for (std::size_t i = 0; i < move.extents.size(); ++i)
      arriving += busy.contains(move.extents[i]) ? move.accesses_each[i] : 0;
    std::erase_if(move.extents, [&](std::uint32_t e) { return busy.contains(e); });
    if (!move.extents.empty())
      out->moves.push_back(std::move(move));
  }
  out->coverage_soon =
      out->coverage + (out->accesses_expected > 0 ? arriving / out->accesses_expected : 0);
  return survey_ptr{out};
}

void board_state::cycle() {
  auto phases = std::make_shared<std::vector<cycle_phase>>();
  auto timed = [&](const char* phase, auto&& work) {
    auto begin = clock_.monotonic_ns();
    auto start_ms = clock_.wall_ms();
    work();
    auto span = static_cast<std::uint64_t>(clock_.monotonic_ns() - begin) / 1000;
    phases->push_back({phase, start_ms, span});
  };
  std::vector<host_view> hosts;
  std::vector<volume_view> views;
  std::vector<proposal> proposals;
  timed("collect", [&] { hosts = host_views(); });
  timed("forecast", [&] {
    for (auto& [id, entry] : volumes_)
      if (auto* expected = expected_of(id))
        views.push_back({&entry->facts.placement, expected, entry->facts.lease.holder,
                         entry->facts.lease.prepared.to});
  });
  timed("score", [&] {
    (void)affinity_scores(views, hosts);
    (void)affinity_pulls(views, hosts);
  });
  timed("plan", [&] { proposals = propose(hosts); });
  phases_ = phases;
  if (background_ && !proposals.empty())
    self_->send(background_,
                proposals_ptr{std::make_shared<const std::vector<proposal>>(std::move(proposals))});
}

std::vector<proposal> board_state::propose(const std::vector<host_view>& hosts) const {
  std::vector<proposal> all;
  if (!rules_.background)
    return all;
  auto hold_ns = std::chrono::nanoseconds{rules_.hold}.count();
  for (auto& [id, entry] : volumes_) {
    auto at = settled_ns_.find(id);
    bool settled = at == settled_ns_.end() || clock_.monotonic_ns() - at->second >= hold_ns;
    if (auto one = settled ? propose(*entry, hosts) : std::nullopt)
      all.push_back(*std::move(one));
  }
  return all;
}

/// Hot extents that are elsewhere come to the VCI's host; replicas above the factor go.
std::optional<proposal> board_state::propose(const volume_entry& volume,
                                             const std::vector<host_view>& hosts) const {
  auto& facts = volume.facts;
  auto& holder = facts.lease.holder;
  if (holder.empty() || facts.lease.prepared.id != 0)
    return std::nullopt;
  auto host = hosts_.find(holder);
  if (host == hosts_.end() || !host->second->up || host->second->draining)
    return std::nullopt;
  // What is missing somewhere is made good before anything moves for affinity.
  if (!facts.placement.lost().empty() || !facts.placement.degraded().isEmpty())
    return std::nullopt;
  proposal out;
  out.volume = volume.id();
  if (auto* expected = expected_of(volume.id())) {
    auto request = request_to(holder);
    request.gain_min = rules_.background_gain_min;
    request.budget_bytes = proposal_extents_max * facts.shape().extent_bytes;
    volume_view view{&facts.placement, expected, holder, ""};
    out.moves = make_plan(view, hosts, request).moves;
  }
  out.retire = surplus_to_retire(facts.placement, hosts, holder);
  follow_intents(volume, hosts, out);
  for (auto& [from, extents] : out.retire)
    if (extents.size() > move_extents_max)
      extents.resize(move_extents_max);
  if (out.moves.empty() && out.retire.empty())
    return std::nullopt;
  return out;
}

/// After what its holder misses now, a volume's hot extents go where it is announced to move, the
/// most urgent host first; what is there stays.
void board_state::follow_intents(const volume_entry& volume, const std::vector<host_view>& hosts,
                                 proposal& out) const {
  auto at = intents_->find(volume.id());
  if (at == intents_->end())
    return;
  std::erase_if(out.retire, [&](auto& one) { return at->second.contains(one.first); });
  auto* expected = expected_of(volume.id());
  if (!out.moves.empty() || !expected)
    return;
  std::vector<std::pair<std::int64_t, std::string>> order;
  for (auto& [host, how] : at->second)
    if (auto known = hosts_.find(host);
        known != hosts_.end() && known->second->up && !known->second->draining)
      order.emplace_back(how.by_ms > 0 ? how.by_ms : std::numeric_limits<std::int64_t>::max(),
                         host);
  std::sort(order.begin(), order.end());
  auto& facts = volume.facts;
  for (auto& [by_ms, host] : order) {
    auto request = request_to(host);
    request.budget_bytes = proposal_extents_max * facts.shape().extent_bytes;
    volume_view view{&facts.placement, expected, facts.lease.holder, host};
    out.moves = make_plan(view, hosts, request).moves;
    if (!out.moves.empty())
      return;
  }
}

} // namespace foreshift::control
