// SPDX-License-Identifier: Apache-2.0
#include "core/plan/targets.hpp"

#include "core/affinity/affinity.hpp"

#include <algorithm>
#include <bit>
#include <string_view>
#include <tuple>

namespace foreshift {

namespace {

/// Less than this is copied in no time: other virtues count.
constexpr std::uint64_t little_bytes = 64u << 20;

} // namespace

target appraise(const volume_view& volume, const std::vector<host_view>& hosts,
                const host_view& host, const plan_request& request) {
  target out;
  out.host = host;
  volume_view now = volume;
  now.target.clear();
  auto at = std::find_if(hosts.begin(), hosts.end(),
                         [&](const host_view& x) { return x.name == host.name; });
  if (at != hosts.end())
    out.pull = affinity_pulls({now}, hosts)(0, at - hosts.begin());
  if (volume.compute == host.name)
    out.why_not = "it is there already";
  else if (!host.up)
    out.why_not = "down";
  if (!volume.expected)
    return out;
  out.coverage = coverage_at(*volume.expected, *volume.placement, host.name).accesses;
  if (!out.why_not.empty())
    return out;
  auto plan = make_plan(volume, hosts, request);
  out.bytes = plan.bytes;
  bool full = std::any_of(plan.left.begin(), plan.left.end(),
                          [](const left_out& x) { return x.reason == "host full"; });
  if (full)
    out.why_not = "no room for what is hot";
  return out;
}

void rank(std::vector<target>& all) {
  auto key = [](const target& x) {
    return std::tuple{!x.why_not.empty(), std::bit_width(x.bytes / little_bytes), -headroom(x.host),
                      x.bytes, std::string_view{x.host.name}};
  };
  std::sort(all.begin(), all.end(),
            [&](const target& a, const target& b) { return key(a) < key(b); });
}

} // namespace foreshift
