// SPDX-License-Identifier: Apache-2.0
// Where volumes could go, and where they are announced to go.
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"
#include "schemas/agent.capnp.h"

#include <fmt/format.h>

namespace foreshift::cli {

namespace {

void print_intents(schema::Intents::Reader x) {
  table out{{{"VOLUME"}, {"TO"}, {"ANNOUNCED"}, {"BY"}, {"COPIES"}}};
  for (auto row : x.getIntents())
    out.row({str(row.getVolume()), str(row.getTo()), age(row.getSinceMs()),
             local_time(row.getByMs()), row.getNoCopy() ? "no" : "yes"});
  out.print("nothing is announced");
}

void print_targets(schema::Targets::Reader x) {
  table out{{{"HOST"},
             {"ZONE"},
             {"COVERAGE", align::right},
             {"TO COPY", align::right},
             {"TAKES", align::right},
             {"BLACKOUT", align::right},
             {"FLIP", align::right},
             {"CPU", align::right},
             {"FREE", align::right},
             {"VISITS", align::right},
             {"SPECULATIVE", align::right},
             {"NOT BECAUSE"}}};
  auto us = [](std::uint64_t value) {
    return value == 0 ? std::string{"-"} : format_duration(std::chrono::microseconds{value});
  };
  for (auto row : x.getTargets()) {
    auto said = row.getPromised();
    auto blackout = said.getBasis() == 0 ? std::string{"-"}
                                         : fmt::format("{} to {}", us(said.getBlackoutLowUs()),
                                                       us(said.getBlackoutHighUs()));
    out.row({str(row.getHost()), str(row.getZone()), percent(row.getCoverage()),
             format_bytes(said.getBytes()),
             format_duration(std::chrono::milliseconds{said.getDurationMs()}), blackout,
             us(row.getFlipUs()), percent(row.getCpuShare()), format_bytes(row.getFreeBytes()),
             std::to_string(row.getVisits()), format_bytes(row.getSpeculativeBytes()),
             str(row.getWhyNot())});
  }
  out.print("no hosts");
}

packet<schema::TargetsGet> targets_of(const std::string& volume) {
  return packet<schema::TargetsGet>::make([&](auto x) { x.setVolume(volume.c_str()); });
}

std::int64_t wall_ms_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

} // namespace

int announce(session& s, const announce_request& what) {
  if (what.list)
    return ask_and_show<schema::Intents>(
        s, packet<schema::AnnounceList>::make([&](auto x) { x.setVolume(what.volume.c_str()); }),
        print_intents);
  if (what.volume.empty() || what.to.empty())
    return s.fail({errc::invalid, "name a volume and, with --to, a host"});
  if (what.withdraw)
    return ask_and_show<schema::Intents>(s, packet<schema::AnnounceWithdraw>::make([&](auto x) {
                                           x.setVolume(what.volume.c_str());
                                           x.setTo(what.to.c_str());
                                         }),
                                         print_intents);
  std::int64_t by_ms = 0;
  if (!what.by.empty()) {
    auto span = parse_duration(what.by);
    if (!span)
      return s.fail(span.error());
    by_ms = wall_ms_now() + span->count();
  }
  return ask_and_show<schema::Intents>(s, packet<schema::Announce>::make([&](auto x) {
                                         x.setVolume(what.volume.c_str());
                                         x.setTo(what.to.c_str());
                                         x.setByMs(by_ms);
                                         x.setNoCopy(what.no_copy);
                                       }),
                                       print_intents);
}

int notify(session& s, const notify_request& what) {
  auto note = packet<schema::GuestNote>::make([&](auto x) {
    x.setDomain(what.domain.c_str());
    x.setWhat(what.what.c_str());
    auto volumes = x.initVolumes(static_cast<unsigned>(what.volumes.size()));
    for (unsigned i = 0; i < volumes.size(); ++i)
      volumes.set(i, what.volumes[i].c_str());
  });
  auto agent = s.elsewhere(what.agent);
  return ask_and_show<schema::Done>(agent, note, [](auto) {});
}

int show_targets(session& s, const std::string& volume) {
  return ask_and_show<schema::Targets>(s, targets_of(volume), print_targets);
}

result<std::string> best_target(session& s, const std::string& volume) {
  auto got = s.ask<schema::Targets>(targets_of(volume));
  if (!got)
    return got.error();
  for (auto row : got->read().getTargets())
    if (row.getWhyNot().size() == 0)
      return str(row.getHost());
  return fault{errc::precondition,
               fmt::format("no host can take volume '{}': see 'foreshift targets'", volume)};
}

} // namespace foreshift::cli
