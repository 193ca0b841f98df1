// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"
#include "core/volume/volume_policy.hpp"

#include <fmt/format.h>

#include <limits>

namespace foreshift::cli {

namespace {

std::string holder_of(schema::Lease::Reader lease) {
  return lease.getHolder().size() == 0 ? "-" : str(lease.getHolder());
}

std::string residency_of(schema::VolumeInfo::Reader x) {
  std::string out;
  for (auto at : x.getResidency())
    if (at.getExtents() > 0)
      out += fmt::format("{}{}:{}", out.empty() ? "" : " ", view(at.getHost()), at.getExtents());
  return out.empty() ? "-" : out;
}

void print_volumes(schema::Volumes::Reader x) {
  table out{{{"NAME"},
             {"ID", align::right},
             {"SIZE", align::right},
             {"REPLICAS", align::right},
             {"ATTACHED"},
             {"EPOCH", align::right},
             {"HEALTH"},
             {"EXTENTS"}}};
  for (auto v : x.getVolumes())
    out.row({str(v.getSpec().getName()), std::to_string(v.getSpec().getId()),
             format_bytes(v.getSpec().getSizeBytes()), std::to_string(v.getSpec().getReplicas()),
             holder_of(v.getLease()), std::to_string(v.getLease().getHeldEpoch()),
             str(v.getHealth()), residency_of(v)});
  out.print("no volumes yet: 'foreshift volume create NAME SIZE' makes one");
}

void print_volume(schema::VolumeInfo::Reader x) {
  auto spec = x.getSpec();
  auto lease = x.getLease();
  std::string homes;
  for (auto home : spec.getHomes())
    homes += (homes.empty() ? "" : ", ") + str(home);
  fmt::print("volume    {} (id {})\n", view(spec.getName()), spec.getId());
  fmt::print("size      {}, extents of {}, partitions of {}\n", format_bytes(spec.getSizeBytes()),
             format_bytes(spec.getExtentBytes()), format_bytes(spec.getPartitionBytes()));
  fmt::print("replicas  {} on {}\n", spec.getReplicas(), homes);
  fmt::print("attached  {}, epoch {}\n", holder_of(lease), lease.getHeldEpoch());
  if (lease.getPrepared().getId() != 0)
    fmt::print("flipping  to {} at epoch {}, task {}\n", view(lease.getPrepared().getTo()),
               lease.getPrepared().getEpoch(), lease.getPrepared().getId());
  auto policy = decode_policy(x.getPolicy());
  fmt::print("policy    implicit-flip {}, follow {}\n", policy.implicit_flip ? "on" : "off",
             name_of(policy.follow));
  auto health = x.getHealth().size() == 0 ? "ok" : str(x.getHealth());
  fmt::print("health    {}\n", painted(health, health == "ok" ? paint::good : paint::warn));
  fmt::print("map       version {}, {} of exceptions\n", x.getMapVersion(),
             format_bytes(x.getExceptionBytes()));
  for (auto lost : x.getLost())
    fmt::print("lost      {}: {} extents since map version {}; {}\n", view(lost.getHost()),
               lost.getExtents(), lost.getSince(), view(lost.getState()));
  fmt::print("\n");
  table out{{{"HOST"}, {"EXTENTS", align::right}, {"DATA", align::right}}};
  for (auto at : x.getResidency())
    out.row({str(at.getHost()), std::to_string(at.getExtents()), format_bytes(at.getBytes())});
  out.print("nothing written yet");
}

template <class Request>
packet<Request> named(const std::string& name) {
  return packet<Request>::make([&](auto x) { x.setName(name.c_str()); });
}

result<packet<schema::VolumeCreate>> encode(const create_request& what) {
  auto size = parse_bytes(what.size);
  if (!size)
    return size.error();
  auto extent = parse_bytes(what.extent);
  if (!extent)
    return extent.error();
  if (*extent > std::numeric_limits<std::uint32_t>::max())
    return fault{errc::invalid, "an extent of " + what.extent + " is too large; at most 64MiB"};
  auto partition = parse_bytes(what.partition);
  if (!partition)
    return partition.error();
  if (what.replicas < 1 || what.replicas > 3)
    return fault{errc::invalid, fmt::format("{} replicas: it must be 1 to 3", what.replicas)};
  volume_policy policy{what.implicit_flip, follow_rule::CELL};
  if (auto ok = set_policy(policy, "follow", what.follow); !ok)
    return ok.error();
  return packet<schema::VolumeCreate>::make([&](auto x) {
    encode_policy(policy, x.initPolicy());
    x.setName(what.name.c_str());
    x.setSizeBytes(*size);
    x.setReplicas(static_cast<std::uint8_t>(what.replicas));
    x.setExtentBytes(static_cast<std::uint32_t>(*extent));
    x.setPartitionBytes(*partition);
    auto homes = x.initHomes(static_cast<unsigned>(what.homes.size()));
    for (unsigned i = 0; i < homes.size(); ++i)
      homes.set(i, what.homes[i].c_str());
  });
}

template <class Request>
int run_task(session& s, const packet<Request>& request) {
  auto task = s.ask<schema::Task>(request, task_timeout);
  if (!task)
    return s.fail(task.error());
  return report_task(s, *task);
}

} // namespace

int create_volume(session& s, const create_request& what) {
  auto request = encode(what);
  if (!request)
    return s.fail(request.error());
  return ask_and_show<schema::VolumeInfo>(s, *request, [](schema::VolumeInfo::Reader x) {
    fmt::print("volume {} created, {}; attach it with 'foreshift volume attach {} HOST'\n",
               view(x.getSpec().getName()), format_bytes(x.getSpec().getSizeBytes()),
               view(x.getSpec().getName()));
  });
}

int list_volumes(session& s) {
  return ask_and_show<schema::Volumes>(s, packet<schema::VolumeList>::make([](auto) {}),
                                       print_volumes);
}

int show_volume(session& s, const std::string& name) {
  return ask_and_show<schema::VolumeInfo>(s, named<schema::VolumeShow>(name), print_volume);
}

int set_volume(session& s, const std::string& name, const std::string& key,
               const std::string& value) {
  return ask_and_show<schema::VolumeInfo>(
      s, packet<schema::VolumeSet>::make([&](auto x) {
        x.setName(name.c_str());
        x.setKey(key.c_str());
        x.setValue(value.c_str());
      }),
      [&](auto) { fmt::print("volume {}: {} is {}\n", name, key, value); });
}

int delete_volume(session& s, const std::string& name) {
  return ask_and_show<schema::Done>(
      s, named<schema::VolumeDelete>(name), [&](auto) { fmt::print("volume {} deleted\n", name); },
      task_timeout);
}

int attach_volume(session& s, const std::string& name, const std::string& host, bool force) {
  return run_task(s, packet<schema::VolumeAttach>::make([&](auto x) {
                    x.setName(name.c_str());
                    x.setHost(host.c_str());
                    x.setForce(force);
                  }));
}

int detach_volume(session& s, const std::string& name, bool force) {
  return run_task(s, packet<schema::VolumeDetach>::make([&](auto x) {
                    x.setName(name.c_str());
                    x.setForce(force);
                  }));
}

int flip(session& s, const std::string& volume, const std::string& to, bool force) {
  return run_task(s, packet<schema::FlipStart>::make([&](auto x) {
                    x.setVolume(volume.c_str());
                    x.setTo(to.c_str());
                    x.setForce(force);
                  }));
}

} // namespace foreshift::cli
