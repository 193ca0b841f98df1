// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

namespace foreshift::cli {

namespace {

std::string when(std::int64_t ms) {
  return ms == 0 ? "never" : age(ms);
}

void print_scrubs(schema::Hosts::Reader x) {
  table out{{{"HOST"},
             {"RUNNING"},
             {"DONE", align::right},
             {"RATE", align::right},
             {"LAST LIGHT", align::right},
             {"LAST FULL", align::right},
             {"CORRUPT", align::right},
             {"REPAIRED", align::right},
             {"LOST", align::right}}};
  for (auto host : x.getHosts()) {
    auto scrub = host.getPlane().getScrub();
    bool full = str(scrub.getRunning()) == "full";
    std::uint64_t repaired = 0;
    std::uint64_t lost = 0;
    for (auto volume : host.getPlane().getVolumes()) {
      repaired += volume.getRepaired();
      lost += volume.getLost();
    }
    auto total = scrub.getTotalBytes();
    auto share =
        total > 0 ? static_cast<double>(scrub.getDoneBytes()) / static_cast<double>(total) : 0.0;
    out.row({str(host.getAddress().getName()),
             scrub.getRunning().size() == 0 ? "-" : str(scrub.getRunning()),
             full && total > 0 ? percent(share) : "-",
             full ? format_bytes(scrub.getRateBytes()) + "/s" : "-", when(scrub.getLightDoneMs()),
             when(scrub.getFullDoneMs()), std::to_string(scrub.getCorrupt()),
             std::to_string(repaired), std::to_string(lost)});
  }
  out.print("no hosts yet: start foreshift-agent on one");
}

} // namespace

int start_scrub(session& s, const std::string& host, bool full) {
  auto request = packet<schema::ScrubStart>::make([&](auto x) {
    x.setHost(host.c_str());
    x.setFull(full);
  });
  return ask_and_show<schema::Done>(s, request, [&](auto) {
    fmt::print("host {} begins a {} pass; see: foreshift scrub status\n", host,
               full ? "full" : "light");
  });
}

int show_scrub(session& s) {
  return ask_and_show<schema::Hosts>(s, packet<schema::HostList>::make([](auto) {}), print_scrubs);
}

} // namespace foreshift::cli
