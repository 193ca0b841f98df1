// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

namespace foreshift::cli {

namespace {

std::string joined(capnp::List<capnp::Text>::Reader items) {
  std::string out;
  for (auto item : items)
    out += (out.empty() ? "" : ", ") + str(item);
  return out.empty() ? "-" : out;
}

const char* state_of(schema::Host::Reader host) {
  if (!host.getUp())
    return "down";
  return host.getDraining() ? "draining" : "up";
}

void print_hosts(schema::Hosts::Reader x) {
  table out{{{"NAME"},
             {"STATE"},
             {"ZONE"},
             {"SEEN"},
             {"CPU", align::right},
             {"DISK FREE", align::right},
             {"EXTENTS", align::right},
             {"DATA", align::right},
             {"READ P99", align::right},
             {"ATTACHED"}}};
  for (auto host : x.getHosts()) {
    auto p99 = host.getNbsr().getReadP99Us();
    auto disk = host.getNbsr().getDisk();
    out.row({str(host.getAddress().getName()), state_of(host), str(host.getAddress().getZone()),
             age(host.getSeenMs()), percent(host.getSample().getCpuShare()),
             disk.getTotalBytes() > 0 ? format_bytes(disk.getFreeBytes()) : "-",
             std::to_string(host.getExtents()), format_bytes(host.getBytes()),
             p99 > 0 ? fmt::format("{:.0f} us", p99) : "-", joined(host.getVolumesAttached())});
  }
  out.print("no hosts yet: start foreshift-agent on one");
}

void print_vcis(schema::Host::Reader x) {
  if (x.getVcis().size() == 0)
    return;
  table out{{{"VCI"},
             {"COMMAND"},
             {"VOLUME", align::right},
             {"CPU", align::right},
             {"RSS", align::right},
             {"READ/S", align::right},
             {"WRITE/S", align::right},
             {"FAULTS/S", align::right},
             {"CGROUP"}}};
  for (auto vci : x.getVcis())
    out.row({std::to_string(vci.getPid()), str(vci.getCommand()), std::to_string(vci.getVolume()),
             percent(vci.getCpuShare()), format_bytes(vci.getRssBytes()),
             format_bytes(vci.getReadBytes()), format_bytes(vci.getWriteBytes()),
             std::to_string(vci.getPageFaults()), str(vci.getCgroup())});
  fmt::print("\n");
  out.print();
}

void print_planes(schema::PlaneStatus::Reader x) {
  constexpr const char* states[] = {"none", "standby", "primary", "draining", "deactivated"};
  if (x.getVolumes().size() == 0)
    return;
  table out{{{"VOLUME"},
             {"LEASE HERE"},
             {"EPOCH", align::right},
             {"FENCE", align::right},
             {"FENCE HOLDER"},
             {"MAP", align::right},
             {"EXTENTS", align::right},
             {"STAGED", align::right},
             {"DATA", align::right},
             {"READS LOCAL", align::right},
             {"REMOTE", align::right},
             {"CORRUPT", align::right}}};
  for (auto v : x.getVolumes()) {
    auto state = static_cast<std::size_t>(v.getState());
    out.row({str(v.getName()), state < 5 ? states[state] : "unknown", std::to_string(v.getEpoch()),
             std::to_string(v.getFenceEpoch()), str(v.getFenceHolder()),
             std::to_string(v.getMapVersion()), std::to_string(v.getExtentsPresent()),
             std::to_string(v.getExtentsStaged()), format_bytes(v.getBytesPresent()),
             std::to_string(v.getReadsLocal()), std::to_string(v.getReadsRemote()),
             std::to_string(v.getCorrupt())});
  }
  fmt::print("\n");
  out.print();
}

void print_host(schema::Host::Reader x) {
  auto address = x.getAddress();
  auto disk = x.getNbsr().getDisk();
  auto sample = x.getSample();
  fmt::print("host      {}, {}, seen {}\n", view(address.getName()),
             painted(state_of(x), x.getUp() ? paint::good : paint::bad), age(x.getSeenMs()));
  fmt::print("zone      {}\n", address.getZone().size() == 0 ? "-" : view(address.getZone()));
  fmt::print("address   peers {}, plane door {}, agent door {}\n", view(address.getNbd()),
             view(address.getPlane()), view(address.getAgent()));
  fmt::print("version   agent {}, data plane process {}\n", view(x.getVersion()),
             x.getPlane().getPid());
  fmt::print("cpu       {} of {} cores, load {}\n", percent(sample.getCpuShare()),
             sample.getCores(), number(sample.getLoad1()));
  fmt::print("memory    {} free of {}\n", format_bytes(sample.getMemoryFreeBytes()),
             format_bytes(sample.getMemoryBytes()));
  fmt::print("disk      {} free of {} ({} kept in reserve)\n", format_bytes(disk.getFreeBytes()),
             format_bytes(disk.getTotalBytes()), format_bytes(disk.getReserveBytes()));
  fmt::print("storage   {} reads/s, {} writes/s, read p50 {} us, p99 {} us, write p99 {} us\n",
             number(x.getNbsr().getReadIops()), number(x.getNbsr().getWriteIops()),
             number(x.getNbsr().getReadP50Us()), number(x.getNbsr().getReadP99Us()),
             number(x.getNbsr().getWriteP99Us()));
  fmt::print("holds     {} extents, {}\n", x.getExtents(), format_bytes(x.getBytes()));
  fmt::print("attached  {}\n", joined(x.getVolumesAttached()));
  if (sample.getMissing().size() > 0)
    fmt::print("missing   {}\n", joined(sample.getMissing()));
  print_planes(x.getPlane());
  print_vcis(x);
}

void print_effects(schema::StopEffects::Reader x) {
  fmt::print("{}\n", x.getOk() ? painted("yes: every volume goes on", paint::good)
                               : painted("no: volumes would stop", paint::bad));
  for (auto effect : x.getEffects()) {
    if (effect.getAttached())
      fmt::print("{}: attached there; flip it first\n", view(effect.getVolume()));
    if (effect.getBlocked() > 0)
      fmt::print("{}: blocks, the last replica of {} extents is there\n", view(effect.getVolume()),
                 effect.getBlocked());
    if (effect.getDegraded() > 0)
      fmt::print("{}: degrades, {} extents would have a replica less\n", view(effect.getVolume()),
                 effect.getDegraded());
  }
}

} // namespace

int list_hosts(session& s) {
  return ask_and_show<schema::Hosts>(s, packet<schema::HostList>::make([](auto) {}), print_hosts);
}

int show_host(session& s, const std::string& name) {
  auto request = packet<schema::HostShow>::make([&](auto x) { x.setName(name.c_str()); });
  return ask_and_show<schema::Host>(s, request, print_host);
}

int ok_to_stop_host(session& s, const std::string& name) {
  auto request = packet<schema::HostOkToStop>::make([&](auto x) { x.setName(name.c_str()); });
  auto got = s.ask<schema::StopEffects>(request);
  if (!got)
    return s.fail(got.error());
  if (s.json())
    std::puts(to_json(*got).c_str());
  else
    print_effects(got->read());
  return got->read().getOk() ? 0 : exit_code(errc::precondition);
}

int drain_host(session& s, const std::string& name, const std::string& to, bool no_wait) {
  auto task = s.ask<schema::Task>(packet<schema::HostDrain>::make([&](auto x) {
    x.setName(name.c_str());
    x.setTo(to.c_str());
  }));
  if (!task)
    return s.fail(task.error());
  return no_wait ? report_task(s, *task) : follow_task(s, *task);
}

int undrain_host(session& s, const std::string& name) {
  auto request = packet<schema::HostUndrain>::make([&](auto x) { x.setName(name.c_str()); });
  return ask_and_show<schema::Done>(s, request,
                                    [&](auto) { fmt::print("host {} is used again\n", name); });
}

int remove_host(session& s, const std::string& name, bool lost, bool no_wait) {
  auto task = s.ask<schema::Task>(packet<schema::HostRemove>::make([&](auto x) {
    x.setName(name.c_str());
    x.setLost(lost);
  }));
  if (!task)
    return s.fail(task.error());
  return no_wait ? report_task(s, *task) : follow_task(s, *task);
}

} // namespace foreshift::cli
