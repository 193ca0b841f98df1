// SPDX-License-Identifier: Apache-2.0
#include "core/plan/planner.hpp"

#include "core/affinity/affinity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace foreshift {

namespace {

constexpr double network_same_zone_us = 150;
constexpr double network_other_zone_us = 500;

/// An extent worth copying, with the replica to copy from.
struct candidate {
  std::uint32_t extent = 0;
  std::uint64_t bytes = 0;
  double accesses = 0;
  double distinct_bytes = 0;
  double saving_us = 0;
  const host_view* source = nullptr;

  double value_per_byte() const { return accesses * saving_us / static_cast<double>(bytes); }
};

const host_view* find(const std::vector<host_view>& hosts, std::string_view name) {
  auto at = std::find_if(hosts.begin(), hosts.end(), [&](const auto& x) { return x.name == name; });
  return at == hosts.end() ? nullptr : &*at;
}

const host_view* best_source(const host_set& replicas, const std::vector<host_view>& hosts) {
  const host_view* best = nullptr;
  for (const auto& name : replicas)
    if (const auto* host = find(hosts, name); host != nullptr && host->up)
      if (best == nullptr || headroom(*host) > headroom(*best))
        best = host;
  return best;
}

double positive(double x) {
  return std::isfinite(x) && x > 0 ? x : 0;
}

/// Microseconds an access saves when served at `to` instead of at `from`. The network alone is
/// saved for sure; a destination that looks slower right now makes no remote read cheaper.
double saving_us(const host_view& from, const host_view* to) {
  bool near = to != nullptr && !to->zone.empty() && to->zone == from.zone;
  double storage = 0;
  if (to != nullptr && to->read_p50_us > 0)
    storage = positive(from.read_p50_us - to->read_p50_us);
  return (near ? network_same_zone_us : network_other_zone_us) + storage;
}

class planning {
public:
  planning(const volume_view& volume, const std::vector<host_view>& hosts,
           const plan_request& request)
      : placement_(*volume.placement), expected_(*volume.expected), hosts_(hosts),
        request_(request), to_(find(hosts, request.to)) {}

  plan run() {
    out_.before = coverage_at(expected_, placement_, request_.to);
    sort_out();
    choose();
    finish_left();
    group();
    std::vector<std::uint32_t> moved;
    for (const auto& x : chosen_)
      moved.push_back(x.extent);
    auto after = placement_.with_replica(request_.to, moved);
    out_.after = coverage_at(expected_, after, request_.to);
    if (out_.moves.empty())
      out_.note = "no beneficial move";
    return std::move(out_);
  }

private:
  /// Splits the forecast into candidates and extents that stay whatever the budget.
  void sort_out() {
    std::map<const host_set*, const host_view*> sources; // one search a replica set, not an extent
    roaring::Roaring seen;
    for (const auto& heat : expected_.extents) {
      auto accesses = accesses_of(heat);
      if (heat.extent >= placement_.shape().extents() || !seen.addChecked(heat.extent))
        continue;
      const auto& replicas = placement_.replicas(heat.extent);
      if (std::binary_search(replicas.begin(), replicas.end(), request_.to)) {
        leave("already there", heat.extent, accesses);
        continue;
      }
      if (accesses <= 0 || accesses < request_.gain_min) {
        leave("too cold to pay", heat.extent, accesses);
        continue;
      }
      auto known = sources.find(&replicas);
      if (known == sources.end())
        known = sources.emplace(&replicas, best_source(replicas, hosts_)).first;
      if (known->second == nullptr)
        leave("no source up", heat.extent, accesses);
      else
        candidates_.push_back({heat.extent, extent_bytes(heat.extent), accesses,
                               positive(heat.bytes), saving_us(*known->second, to_),
                               known->second});
    }
    std::sort(candidates_.begin(), candidates_.end(), [](const auto& x, const auto& y) {
      auto a = x.value_per_byte();
      auto b = y.value_per_byte();
      return a != b ? a > b : x.extent < y.extent;
    });
  }

  /// Takes the best while they fit. Extents have one size: no other choice is better.
  void choose() {
    auto total = accesses_of(expected_);
    auto space = to_ == nullptr ? 0 : to_->free_bytes;
    std::uint64_t next_bytes = 0;
    for (const auto& x : candidates_) {
      if (x.bytes > space - out_.bytes) {
        leave("host full", x.extent, x.accesses);
      } else if (x.bytes > request_.budget_bytes - out_.bytes) {
        leave("beyond the budget", x.extent, x.accesses);
        if (x.bytes <= next_budget_bytes - next_bytes
            && out_.bytes + next_bytes + x.bytes <= space) {
          next_bytes += x.bytes;
          out_.next_budget_gain += x.accesses / total;
        }
      } else {
        out_.bytes += x.bytes;
        chosen_.push_back(x);
      }
    }
  }

  /// Cuts the chosen into moves of one source; a move stands where its best extent does.
  void group() {
    std::map<const host_view*, std::size_t> open;
    for (const auto& x : chosen_) {
      auto at = open.find(x.source);
      if (at == open.end() || out_.moves[at->second].extents.size() == move_extents_max) {
        open[x.source] = out_.moves.size();
        out_.moves.push_back(begin_move(x));
        at = open.find(x.source);
      }
      auto& move = out_.moves[at->second];
      move.extents.push_back(x.extent);
      move.accesses_each.push_back(x.accesses);
      move.accesses += x.accesses;
      move.bytes_expected += x.distinct_bytes;
    }
  }

  planned_move begin_move(const candidate& first) const {
    planned_move out;
    out.from = first.source->name;
    out.to = request_.to;
    out.saving_us = first.saving_us;
    out.reason = fmt::format("expected to be used within {:.0f} s; an access here saves {:.0f} us "
                             "against {}",
                             expected_.horizon_ms / 1000.0, out.saving_us, out.from);
    return out;
  }

  void leave(const char* reason, std::uint32_t extent, double accesses) {
    left_[reason].emplace_back(extent, accesses);
  }

  void finish_left() {
    for (auto& [reason, extents] : left_) {
      std::sort(extents.begin(), extents.end());
      left_out entry;
      entry.reason = reason;
      for (const auto& [extent, accesses] : extents) {
        entry.extents.push_back(extent);
        entry.accesses_each.push_back(accesses);
        entry.accesses += accesses;
      }
      out_.left.push_back(std::move(entry));
    }
  }

  std::uint64_t extent_bytes(std::uint32_t extent) const {
    const auto& shape = placement_.shape();
    return std::min<std::uint64_t>(shape.extent_bytes,
                                   shape.size_bytes - std::uint64_t{extent} * shape.extent_bytes);
  }

  const placement_map& placement_;
  const forecast& expected_;
  const std::vector<host_view>& hosts_;
  const plan_request& request_;
  const host_view* to_;
  std::vector<candidate> candidates_;
  std::vector<candidate> chosen_;
  std::map<std::string, std::vector<std::pair<std::uint32_t, double>>> left_;
  plan out_;
};

} // namespace

plan make_plan(const volume_view& volume, const std::vector<host_view>& hosts,
               const plan_request& request) {
  FORESHIFT_ENSURE(volume.placement != nullptr);
  if (volume.expected == nullptr || accesses_of(*volume.expected) <= 0) {
    plan out;
    out.note = "no forecast yet";
    return out;
  }
  return planning{volume, hosts, request}.run();
}

std::vector<std::pair<std::string, std::vector<std::uint32_t>>>
surplus_to_retire(const placement_map& placement, const std::vector<host_view>& hosts,
                  std::string_view keep) {
  volume_view near_keep;
  near_keep.placement = &placement;
  near_keep.compute = keep;
  auto pulls = affinity_pulls({near_keep}, hosts);
  std::map<std::string_view, double> pull;
  for (std::size_t h = 0; h < hosts.size(); ++h)
    pull[hosts[h].name] = pulls(0, h);
  std::map<std::string, std::vector<std::uint32_t>> out;
  for (const auto& [replicas, extents] : placement.exceptions()) {
    if (replicas.size() <= placement.shape().replicas)
      continue;
    auto rank = [&](const std::string& host) {
      auto at = pull.find(host);
      return std::pair{at == pull.end() ? -1.0 : at->second, std::string_view{host}};
    };
    host_set others;
    std::copy_if(replicas.begin(), replicas.end(), std::back_inserter(others),
                 [&](const auto& host) { return host != keep; });
    std::sort(others.begin(), others.end(),
              [&](const auto& x, const auto& y) { return rank(x) < rank(y); });
    others.resize(std::min(others.size(), replicas.size() - placement.shape().replicas));
    for (const auto& host : others)
      out[host].insert(out[host].end(), extents.begin(), extents.end());
  }
  for (auto& entry : out)
    std::sort(entry.second.begin(), entry.second.end());
  return {out.begin(), out.end()};
}

} // namespace foreshift
