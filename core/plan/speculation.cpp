// SPDX-License-Identifier: Apache-2.0
#include "core/plan/speculation.hpp"

#include <algorithm>

namespace foreshift {

std::vector<std::string> likely_targets(const std::vector<target>& ranked,
                                        const visit_counts& visits, std::uint64_t count) {
  std::vector<std::pair<std::uint32_t, std::string>> order;
  for (const auto& one : ranked) {
    auto at = visits.find(one.host.name);
    if (one.why_not.empty())
      order.emplace_back(at == visits.end() ? 0 : at->second, one.host.name);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  order.resize(std::min<std::size_t>(order.size(), count));
  std::vector<std::string> out;
  for (auto& [often, host] : order)
    out.push_back(std::move(host));
  return out;
}

void speculation_ledger::propose(std::uint64_t volume, const std::string& host,
                                 const std::vector<std::uint32_t>& extents) {
  auto& x = copies_[{volume, host}];
  x.proposed.addMany(extents.size(), extents.data());
  x.proposed -= x.held;
}

void speculation_ledger::look(const placement_map& map, const std::string& holder) {
  auto volume = map.shape().id;
  auto at = copies_.lower_bound({volume, ""});
  while (at != copies_.end() && at->first.first == volume) {
    auto& [key, x] = *at;
    x.extent_bytes = map.shape().extent_bytes;
    auto there = map.in_sync(key.second);
    auto arrived = x.proposed & there;
    auto gone = x.held - there;
    sum_.copied += arrived.cardinality() * x.extent_bytes;
    sum_.wasted += gone.cardinality() * x.extent_bytes;
    x.proposed -= arrived;
    x.held |= arrived;
    x.held -= gone;
    if (key.second == holder)
      sum_.used += x.held.cardinality() * x.extent_bytes;
    bool over = key.second == holder || (x.held.isEmpty() && x.proposed.isEmpty());
    at = over ? copies_.erase(at) : std::next(at);
  }
}

void speculation_ledger::forget(std::uint64_t volume) {
  auto at = copies_.lower_bound({volume, ""});
  while (at != copies_.end() && at->first.first == volume) {
    sum_.wasted += at->second.held.cardinality() * at->second.extent_bytes;
    at = copies_.erase(at);
  }
}

std::map<std::string, roaring::Roaring> speculation_ledger::held(std::uint64_t volume) const {
  std::map<std::string, roaring::Roaring> out;
  for (auto at = copies_.lower_bound({volume, ""});
       at != copies_.end() && at->first.first == volume; ++at)
    if (!at->second.held.isEmpty())
      out[at->first.second] = at->second.held;
  return out;
}

std::uint64_t speculation_ledger::held_bytes(std::uint64_t volume) const {
  std::uint64_t out = 0;
  for (auto at = copies_.lower_bound({volume, ""});
       at != copies_.end() && at->first.first == volume; ++at)
    out += at->second.held.cardinality() * at->second.extent_bytes;
  return out;
}

std::uint64_t speculation_ledger::held_bytes(std::uint64_t volume, const std::string& host) const {
  auto at = copies_.find({volume, host});
  return at == copies_.end() ? 0 : at->second.held.cardinality() * at->second.extent_bytes;
}

} // namespace foreshift
