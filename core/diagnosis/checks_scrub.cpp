// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"
#include "core/diagnosis/checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::diagnosis {

namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t light_late_ms = 3 * day_ms;
constexpr std::int64_t full_late_ms = 30 * day_ms;

void judge_age(const evidence& x, const std::string& host, const char* pass, std::int64_t done_ms,
               std::int64_t started_ms, std::int64_t late_ms, notes& out) {
  // What never ran is late once the data plane has been up for long enough.
  auto since_ms = std::max(done_ms, done_ms == 0 ? started_ms : 0);
  if (since_ms == 0 || x.now_ms - since_ms < late_ms)
    return;
  out.add(verdict::warn, "host " + host,
          fmt::format("no {} pass was completed for {} days", pass, (x.now_ms - since_ms) / day_ms),
          "raise scrub.rate, or see why guests leave it no time: 'foreshift scrub status'");
}

} // namespace

std::string check_scrub(const evidence& x, notes& out) {
  for (const auto& [name, host] : x.hosts) {
    if (!host.plane)
      continue;
    auto plane = host.plane->read();
    auto scrub = plane.getScrub();
    judge_age(x, name, "light", scrub.getLightDoneMs(), plane.getStartedMs(), light_late_ms, out);
    judge_age(x, name, "full", scrub.getFullDoneMs(), plane.getStartedMs(), full_late_ms, out);
    for (auto row : plane.getVolumes()) {
      std::string subject = std::string{"volume "} + row.getName().cStr();
      if (row.getLost() > 0)
        out.add(verdict::fail, subject,
                fmt::format("{} with no good copy", count(row.getLost(), "block")),
                "write these blocks again, or restore the volume");
      if (auto bad = row.getCorruptExtents().size(); bad > 0)
        out.add(verdict::warn, subject,
                fmt::format("{}{} corrupt at host {}", bad == 64 ? "at least " : "",
                            count(bad, "extent"), name),
                "rewritten from another replica while the volume is attached");
    }
    if (scrub.getStrayBytes() > 0)
      out.add(verdict::warn, "host " + name,
              fmt::format("the last light pass freed {} that belonged to no extent",
                          format_bytes(scrub.getStrayBytes())),
              "nothing, unless it comes again");
  }
  return "no damage is known, passes are in time";
}

} // namespace foreshift::diagnosis
