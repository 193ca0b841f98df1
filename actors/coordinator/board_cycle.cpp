// SPDX-License-Identifier: Apache-2.0
// The board's own loop: collect, forecast, score, plan; and what migrations ask of it.
#include "actors/coordinator/board.hpp"

#include "core/affinity/affinity.hpp"
#include "core/plan/follow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

namespace foreshift::control {

namespace {

/// One round of background work for one volume: about what a cycle can copy. Whatever is more
/// urgent meanwhile waits for its end.
constexpr std::size_t proposal_extents_max = 64;

/// So long after a flip whatever a client reads from elsewhere is fetched.
constexpr std::chrono::seconds fresh_span{60};

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
  // A later move would begin anew what an earlier one, perhaps the background's, has half copied.
  std::set<std::uint32_t> busy{x.in_flight.begin(), x.in_flight.end()};
  for (auto& [id, move] : facts.moves)
    if (move.record.destination == x.to)
      busy.insert(move.record.extents.begin(), move.record.extents.end());
  for (auto& move : made.moves) {
    std::erase_if(move.extents, [&](std::uint32_t e) { return busy.contains(e); });
    if (!move.extents.empty())
      out->moves.push_back(std::move(move));
  }
  return survey_ptr{out};
}

void board_state::cycle() {
  auto report = std::make_shared<cycle_report>();
  auto timed = [&](const char* phase, auto&& work) {
    auto begin = clock_.monotonic_ns();
    auto start_ms = clock_.wall_ms();
    work();
    auto span = static_cast<std::uint64_t>(clock_.monotonic_ns() - begin) / 1000;
    report->phases.push_back({phase, start_ms, span});
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
  report->speculation = speculation_.sum();
  phases_ = report;
  if (background_ && !proposals.empty())
    self_->send(background_,
                proposals_ptr{std::make_shared<const std::vector<proposal>>(std::move(proposals))});
}

std::chrono::nanoseconds board_state::since_flip(std::uint64_t volume) const {
  auto at = settled_ns_.find(volume);
  if (at == settled_ns_.end())
    return std::chrono::nanoseconds::max();
  return std::chrono::nanoseconds{clock_.monotonic_ns() - at->second};
}

std::vector<proposal> board_state::propose(const std::vector<host_view>& hosts) {
  std::vector<proposal> out;
  if (!rules_.background)
    return out;
  std::map<std::uint64_t, proposal> all;
  for (auto& [id, entry] : volumes_)
    if (auto one = propose(*entry, hosts))
      all.emplace(id, *std::move(one));
  follow_intents(hosts, all);
  if (rules_.speculation.targets > 0)
    for (auto& [id, one] : all)
      if (since_flip(id) >= rules_.hold)
        speculate(*volumes_.at(id), hosts, one);
  for (auto& [id, one] : all)
    if (!one.moves.empty() || !one.retire.empty())
      out.push_back(std::move(one));
  return out;
}

/// It is attached at a living host, and whole: what is missing somewhere is made good before
/// anything moves for affinity.
bool board_state::may_work_on(const volume_entry& volume) const {
  auto& facts = volume.facts;
  auto host = hosts_.find(facts.lease.holder);
  return facts.lease.prepared.id == 0 && host != hosts_.end() && host->second->up
         && facts.placement.lost().empty() && facts.placement.degraded().isEmpty();
}

/// What is missing at the VCI's host comes there; replicas above the factor go, but not for a while
/// after a flip. A host that is drained gets nothing, and its volumes' surplus is the drain's.
std::optional<proposal> board_state::propose(const volume_entry& volume,
                                             const std::vector<host_view>& hosts) {
  if (!may_work_on(volume))
    return std::nullopt;
  auto& facts = volume.facts;
  proposal out;
  out.volume = volume.id();
  if (hosts_.at(facts.lease.holder)->draining)
    return out;
  out.moves = follow_holder(volume, hosts);
  if (since_flip(volume.id()) >= rules_.hold)
    out.retire = surplus_to_retire(facts.placement, hosts, facts.lease.holder);
  for (auto& [from, extents] : out.retire)
    if (extents.size() > move_extents_max)
      extents.resize(move_extents_max);
  return out;
}

/// The volume's own rule, or the cell's.
std::vector<planned_move> board_state::follow_holder(const volume_entry& volume,
                                                     const std::vector<host_view>& hosts) {
  auto& facts = volume.facts;
  follow_request wanted;
  wanted.rule = volume.policy.follow == follow_rule::CELL ? rules_.follow : volume.policy.follow;
  wanted.plan = request_to(facts.lease.holder);
  wanted.plan.gain_min = rules_.background_gain_min;
  wanted.plan.budget_bytes = proposal_extents_max * facts.shape().extent_bytes;
  schema::PlaneVolume::Reader row;
  if (find_volume(*hosts_.at(facts.lease.holder), volume.id(), row))
    for (auto extent : row.getMissed())
      if (extent < facts.shape().extents())
        wanted.missed.push_back(extent);
  wanted.fresh = since_flip(volume.id()) < fresh_span;
  auto now = clock_.monotonic_ns();
  wanted.trickle = now >= trickle_due_ns_;
  volume_view view{&facts.placement, expected_of(volume.id()), facts.lease.holder, ""};
  auto round = follow(view, hosts, wanted);
  if (round.cold) {
    double bytes = 0;
    for (auto& move : round.moves)
      bytes += static_cast<double>(move.extents.size()) * facts.shape().extent_bytes;
    trickle_due_ns_ = now + trickle_.take(bytes, now).count();
  }
  return std::move(round.moves);
}

std::vector<planned_move> board_state::prepare_for(const volume_entry& volume,
                                                   const std::string& host,
                                                   const std::vector<host_view>& hosts) const {
  auto& facts = volume.facts;
  auto* expected = expected_of(volume.id());
  if (!expected)
    return {};
  auto request = request_to(host);
  request.budget_bytes = proposal_extents_max * facts.shape().extent_bytes;
  volume_view view{&facts.placement, expected, facts.lease.holder, host};
  return make_plan(view, hosts, request).moves;
}

/// After what its holder misses now, a volume's hot extents go where it is announced to move, and
/// what is there stays. The most urgent announcements first, of so many volumes at a time.
void board_state::follow_intents(const std::vector<host_view>& hosts,
                                 std::map<std::uint64_t, proposal>& all) const {
  using urgency = std::tuple<std::int64_t, std::int64_t, std::uint64_t, std::string>;
  std::vector<urgency> order;
  for (auto& [id, places] : *intents_) {
    auto at = all.find(id);
    if (at == all.end())
      continue;
    std::erase_if(at->second.retire,
                  [&there = places](auto& one) { return there.contains(one.first); });
    if (since_flip(id) < rules_.hold)
      continue;
    for (auto& [host, how] : places)
      if (auto known = hosts_.find(host);
          known != hosts_.end() && known->second->up && !known->second->draining)
        order.emplace_back(how.by_ms > 0 ? how.by_ms : std::numeric_limits<std::int64_t>::max(),
                           how.since_ms, id, host);
  }
  std::sort(order.begin(), order.end());
  std::uint64_t prepared = 0;
  for (auto& [by_ms, since_ms, id, host] : order) {
    auto& one = all.at(id);
    if (!one.moves.empty())
      continue;
    one.moves = prepare_for(*volumes_.at(id), host, hosts);
    if (!one.moves.empty() && ++prepared == rules_.announced_max)
      return;
  }
}

} // namespace foreshift::control
