// SPDX-License-Identifier: Apache-2.0
#include "core/affinity/affinity.hpp"

#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace foreshift {

namespace {

constexpr double pull_leaving = 0.95;
constexpr double pull_same_zone = 0.6;
constexpr double pull_other_zone = 0.4;
constexpr double latency_half_us = 1000;

double sane(double x) {
  return std::isfinite(x) && x > 0 ? x : 0;
}

double listed_accesses(const forecast& expected) {
  double out = 0;
  for (const auto& heat : expected.extents)
    out += accesses_of(heat);
  return out;
}

/// Accesses expected of extents the forecast does not list.
double unlisted_accesses(const forecast& expected, double listed) {
  return std::max(0.0, sane(expected.total_reads) + sane(expected.total_writes) - listed);
}

double home_share(const volume_shape& shape, std::string_view host) {
  bool home = std::find(shape.homes.begin(), shape.homes.end(), host) != shape.homes.end();
  return home ? static_cast<double>(shape.replicas) / static_cast<double>(shape.homes.size()) : 0;
}

/// Predicted accesses resident at each host of `hosts`, before normalisation.
xt::xtensor<double, 1> resident(const volume_view& volume, const std::vector<host_view>& hosts) {
  // Few distinct replica sets cover thousands of extents, and the map lends one object for each.
  std::unordered_map<const host_set*, double> by_set;
  double listed = 0;
  for (const auto& heat : volume.expected->extents) {
    listed += accesses_of(heat);
    if (heat.extent < volume.placement->shape().extents())
      by_set[&volume.placement->replicas(heat.extent)] += accesses_of(heat);
  }
  auto unlisted = unlisted_accesses(*volume.expected, listed);
  xt::xtensor<double, 1> out = xt::zeros<double>({hosts.size()});
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    out(h) = unlisted * home_share(volume.placement->shape(), hosts[h].name);
    for (const auto& [set, accesses] : by_set)
      if (std::binary_search(set->begin(), set->end(), hosts[h].name))
        out(h) += accesses;
  }
  return out;
}

/// What one host offers by itself, per host; the vectors behind every pull row.
struct offers {
  xt::xtensor<double, 1> up;
  xt::xtensor<double, 1> headroom;
  xt::xtensor<double, 1> quickness;

  explicit offers(const std::vector<host_view>& hosts)
      : up(xt::zeros<double>({hosts.size()})), headroom(up), quickness(up) {
    for (std::size_t h = 0; h < hosts.size(); ++h) {
      up(h) = hosts[h].up ? 1 : 0;
      headroom(h) = foreshift::headroom(hosts[h]);
      quickness(h) = latency_half_us / (latency_half_us + sane(hosts[h].read_p50_us));
    }
  }
};

/// 0.6 for hosts in the zone of `place`, 0.4 for others. An empty zone is the host itself.
xt::xtensor<double, 1> nearness(const std::vector<host_view>& hosts, std::string_view place) {
  auto at = std::find_if(hosts.begin(), hosts.end(),
                         [&](const auto& host) { return host.name == place; });
  xt::xtensor<double, 1> out = xt::ones<double>({hosts.size()}) * pull_other_zone;
  for (std::size_t h = 0; h < hosts.size(); ++h)
    if (at != hosts.end() && !at->zone.empty() && hosts[h].zone == at->zone)
      out(h) = pull_same_zone;
  return out;
}

} // namespace

double accesses_of(const extent_heat& heat) {
  return sane(heat.reads) + sane(heat.writes);
}

double accesses_of(const forecast& expected) {
  auto listed = listed_accesses(expected);
  return listed + unlisted_accesses(expected, listed);
}

double headroom(const host_view& host) {
  double used = 0;
  if (host.total_bytes > 0)
    used = static_cast<double>(host.total_bytes - std::min(host.free_bytes, host.total_bytes))
           / static_cast<double>(host.total_bytes);
  return 1 - 0.5 * std::clamp(std::max(sane(host.cpu_share), used), 0.0, 1.0);
}

xt::xtensor<double, 2> affinity_scores(const std::vector<volume_view>& volumes,
                                       const std::vector<host_view>& hosts) {
  xt::xtensor<double, 2> out = xt::zeros<double>({volumes.size(), hosts.size()});
  for (std::size_t v = 0; v < volumes.size(); ++v) {
    if (volumes[v].expected == nullptr || volumes[v].placement == nullptr)
      continue;
    auto total = accesses_of(*volumes[v].expected);
    if (total > 0)
      xt::row(out, static_cast<std::ptrdiff_t>(v)) =
          xt::clip(resident(volumes[v], hosts) / total, 0.0, 1.0);
  }
  return out;
}

xt::xtensor<double, 2> affinity_pulls(const std::vector<volume_view>& volumes,
                                      const std::vector<host_view>& hosts) {
  xt::xtensor<double, 2> out = xt::zeros<double>({volumes.size(), hosts.size()});
  const offers offer{hosts};
  for (std::size_t v = 0; v < volumes.size(); ++v) {
    const auto& volume = volumes[v];
    const auto& place = volume.target.empty() ? volume.compute : volume.target;
    xt::xtensor<double, 1> pull = offer.headroom;
    if (!place.empty())
      pull = nearness(hosts, place) * offer.quickness * offer.headroom;
    for (std::size_t h = 0; h < hosts.size(); ++h)
      if (!place.empty() && hosts[h].name == place)
        pull(h) = 1;
      else if (!volume.compute.empty() && hosts[h].name == volume.compute)
        pull(h) = pull_leaving;
    xt::row(out, static_cast<std::ptrdiff_t>(v)) = pull * offer.up;
  }
  return out;
}

coverage coverage_at(const forecast& expected, const placement_map& placement,
                     std::string_view host) {
  double accesses = 0;
  double bytes = 0;
  double listed_bytes = 0;
  double listed = 0;
  for (const auto& heat : expected.extents) {
    listed += accesses_of(heat);
    listed_bytes += sane(heat.bytes);
    if (heat.extent < placement.shape().extents() && placement.holds(host, heat.extent)) {
      accesses += accesses_of(heat);
      bytes += sane(heat.bytes);
    }
  }
  auto unlisted = unlisted_accesses(expected, listed);
  accesses += unlisted * home_share(placement.shape(), host);
  auto share = [](double part, double whole) {
    return whole > 0 ? std::min(1.0, part / whole) : 0.0;
  };
  return {share(accesses, listed + unlisted), share(bytes, listed_bytes)};
}

} // namespace foreshift
