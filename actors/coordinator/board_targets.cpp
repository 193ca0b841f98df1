// SPDX-License-Identifier: Apache-2.0
// Where a volume could go: every host, ranked.
#include "actors/coordinator/board.hpp"

#include "core/plan/targets.hpp"

namespace foreshift::control {

caf::result<packet<schema::Targets>>
board_state::targets(const packet<schema::TargetsGet>& x) const {
  auto volume = find(x.read().getVolume().cStr());
  if (!volume)
    return to_caf(volume.error());
  auto& facts = (*volume)->facts;
  auto hosts = host_views();
  std::vector<target> all;
  for (auto& host : hosts) {
    auto request = request_to(host.name);
    volume_view view{&facts.placement, expected_of((*volume)->id()), facts.lease.holder, host.name};
    all.push_back(appraise(view, hosts, host, request));
    if (hosts_.at(host.name)->draining)
      all.back().why_not = "being drained";
  }
  rank(all);
  return packet<schema::Targets>::make([&](auto out) {
    auto rows = out.initTargets(static_cast<unsigned>(all.size()));
    for (unsigned i = 0; i < all.size(); ++i) {
      auto& one = all[i];
      rows[i].setHost(one.host.name.c_str());
      rows[i].setZone(one.host.zone.c_str());
      rows[i].setCoverage(one.coverage);
      vm_prospect next{one.bytes, rules_.move_rate_bytes, x.read().getRamBytes(),
                       x.read().getBandwidthBytes()};
      encode(promise_of(next, *pasts_), rows[i].initPromised());
      rows[i].setFlipUs(median_flip_us());
      rows[i].setCpuShare(one.host.cpu_share);
      rows[i].setFreeBytes(one.host.free_bytes);
      rows[i].setPull(one.pull);
      rows[i].setWhyNot(one.why_not.c_str());
    }
  });
}

} // namespace foreshift::control
