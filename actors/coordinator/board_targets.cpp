// SPDX-License-Identifier: Apache-2.0
// Where a volume could go: every host, ranked; and copies to the likeliest of them.
#include "actors/coordinator/board.hpp"

#include "core/plan/targets.hpp"

#include <algorithm>

namespace foreshift::control {

namespace {

/// One round of copies in case: what a cycle can do beside everything that somebody asked for.
constexpr std::uint64_t round_extents_max = 64;

} // namespace

std::vector<target> board_state::ranked(const volume_entry& volume,
                                        const std::vector<host_view>& hosts) const {
  auto& facts = volume.facts;
  std::vector<target> all;
  for (auto& host : hosts) {
    auto request = request_to(host.name);
    volume_view view{&facts.placement, expected_of(volume.id()), facts.lease.holder, host.name};
    all.push_back(appraise(view, hosts, host, request));
    if (hosts_.at(host.name)->draining)
      all.back().why_not = "being drained";
  }
  rank(all);
  return all;
}

visit_counts board_state::visits_of(std::uint64_t volume) const {
  auto at = visits_->find(volume);
  return at == visits_->end() ? visit_counts{} : at->second;
}

/// Copies in case stay at the likeliest targets while they are hot, and go otherwise: they, and not
/// the replicas that they are beside.
void board_state::release_speculative(const volume_entry& volume,
                                      const std::vector<std::string>& likely, proposal& out) {
  roaring::Roaring hot;
  for (auto& heat : expected_of(volume.id())->extents)
    if (accesses_of(heat) >= rules_.background_gain_min)
      hot.add(heat.extent);
  auto& map = volume.facts.placement;
  for (auto& [host, held] : speculation_.held(volume.id())) {
    for (auto& [from, extents] : out.retire)
      std::erase_if(extents, [&there = held](std::uint32_t e) { return there.contains(e); });
    bool stays = std::find(likely.begin(), likely.end(), host) != likely.end();
    std::vector<std::uint32_t> gone;
    for (auto e : stays ? held - hot : held)
      if (map.replicas(e).size() > map.shape().replicas && gone.size() < move_extents_max)
        gone.push_back(e);
    if (!gone.empty())
      out.retire.emplace_back(host, std::move(gone));
  }
  std::erase_if(out.retire, [](auto& one) { return one.second.empty(); });
}

/// When nothing else is to be done for the volume, what is left of the budget is copied to the
/// likeliest targets.
void board_state::speculate(const volume_entry& volume, const std::vector<host_view>& hosts,
                            proposal& out) {
  auto* expected = expected_of(volume.id());
  if (!expected)
    return;
  auto likely =
      likely_targets(ranked(volume, hosts), visits_of(volume.id()), rules_.speculation.targets);
  release_speculative(volume, likely, out);
  auto held = speculation_.held_bytes(volume.id());
  if (!out.moves.empty() || !out.retire.empty() || held >= rules_.speculation.budget_bytes)
    return;
  auto& facts = volume.facts;
  for (auto& host : likely) {
    auto request = request_to(host);
    request.gain_min = rules_.background_gain_min;
    request.budget_bytes = std::min<std::uint64_t>(rules_.speculation.budget_bytes - held,
                                                   round_extents_max * facts.shape().extent_bytes);
    volume_view view{&facts.placement, expected, facts.lease.holder, host};
    out.moves = make_plan(view, hosts, request).moves;
    if (out.moves.empty())
      continue;
    std::vector<std::uint32_t> all;
    for (auto& move : out.moves)
      all.insert(all.end(), move.extents.begin(), move.extents.end());
    speculation_.propose(volume.id(), host, all);
    return;
  }
}

caf::result<packet<schema::Targets>>
board_state::targets(const packet<schema::TargetsGet>& x) const {
  auto volume = find(x.read().getVolume().cStr());
  if (!volume)
    return to_caf(volume.error());
  auto hosts = host_views();
  auto all = ranked(**volume, hosts);
  auto visits = visits_of((*volume)->id());
  return packet<schema::Targets>::make([&](auto out) {
    auto rows = out.initTargets(static_cast<unsigned>(all.size()));
    for (unsigned i = 0; i < all.size(); ++i) {
      auto& one = all[i];
      rows[i].setHost(one.host.name.c_str());
      rows[i].setZone(one.host.zone.c_str());
      rows[i].setCoverage(one.coverage);
      vm_prospect next{one.bytes, rules_.rates.of_one(), x.read().getRamBytes(),
                       x.read().getBandwidthBytes()};
      encode(promise_of(next, *pasts_), rows[i].initPromised());
      rows[i].setFlipUs(median_flip_us());
      rows[i].setCpuShare(one.host.cpu_share);
      rows[i].setFreeBytes(one.host.free_bytes);
      rows[i].setPull(one.pull);
      rows[i].setWhyNot(one.why_not.c_str());
      rows[i].setVisits(visits[one.host.name]);
      rows[i].setSpeculativeBytes(speculation_.held_bytes((*volume)->id(), one.host.name));
    }
  });
}

} // namespace foreshift::control
