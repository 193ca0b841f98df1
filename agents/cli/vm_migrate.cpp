// SPDX-License-Identifier: Apache-2.0
// foreshift migrate --qmp: a running VM with its volumes.
#include "agents/cli/commands.hpp"
#include "agents/cli/interrupts.hpp"
#include "agents/cli/vm_volume.hpp"
#include "core/base/units.hpp"
#include "core/vm/qmp_qemu.hpp"
#include "core/vm/vm_migration.hpp"

#include <fmt/format.h>

#include <thread>

namespace foreshift::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto connect_timeout = 5s;

/// The process's own clock, its interrupts and its standard error.
class process_clock final : public vm_clock {
public:
  std::int64_t wall_us() override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  void sleep(std::chrono::milliseconds span) override { std::this_thread::sleep_for(span); }
  bool interrupted() override { return interrupts() > 0; }
  void say(const std::string& what) override { fmt::print(stderr, "-- {}\n", what); }
};

/// To recover, a QEMU that is gone is as good as any.
result<std::unique_ptr<qemu_port>> open_qemu(const std::string& path, const char* name,
                                             bool perhaps_gone) {
  auto monitor = qmp::client::open(path, connect_timeout, system_clock());
  if (monitor)
    return std::unique_ptr<qemu_port>{std::make_unique<qmp_qemu>(*std::move(monitor), name)};
  fault why{monitor.error().code, fmt::format("{}: {}", name, monitor.error().detail)};
  if (perhaps_gone && why.code == errc::unreachable)
    return std::unique_ptr<qemu_port>{std::make_unique<gone_qemu>(why)};
  return why;
}

/// A port of the destination host, where its data plane can be reached by peers.
result<std::string> default_uri(session& s, const std::string& host) {
  auto got =
      s.ask<schema::Host>(packet<schema::HostShow>::make([&](auto x) { x.setName(host.c_str()); }));
  if (!got)
    return got.error();
  auto nbd = str(got->read().getAddress().getNbd());
  return "tcp:" + nbd.substr(0, nbd.rfind(':')) + ":0";
}

result<vm_migration_options> options_of(session& s, const migrate_request& what) {
  vm_migration_options out;
  if (!what.bandwidth.empty()) {
    auto rate = parse_bytes(what.bandwidth);
    if (!rate)
      return rate.error();
    out.stream.bandwidth_bytes = *rate;
  }
  if (!what.downtime.empty()) {
    auto limit = parse_duration(what.downtime);
    if (!limit)
      return limit.error();
    out.stream.downtime_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(limit->count(), 1));
  }
  auto tolerated = parse_share(what.slowdown);
  if (!tolerated)
    return tolerated.error();
  out.tolerated = *tolerated;
  auto uri = what.ram_uri.empty() ? default_uri(s, what.to) : result<std::string>{what.ram_uri};
  if (!uri)
    return uri.error();
  out.uri = *uri;
  return out;
}

using volumes = std::vector<std::unique_ptr<volume_port>>;

result<volumes> open_volumes(session& s, vm_clock& clock, const migrate_request& what) {
  volumes out;
  for (auto& name : what.volumes) {
    auto one = std::make_unique<vm_volume>(s, clock, what, name);
    if (what.recover)
      if (auto found = one->resume(); !found)
        return found.error();
    out.push_back(std::move(one));
  }
  return out;
}

const char* words_of(vm_place place) {
  switch (place) {
  case vm_place::source:
    return "the VM stays at the source, which holds its volumes";
  case vm_place::destination:
    return "the VM runs at the destination";
  case vm_place::lost:
    return "the VM's QEMU is gone; its volumes are whole, see 'foreshift volume list' for where";
  case vm_place::unclear:
    break;
  }
  return "it is not clear where the VM is; once the coordinator and both QEMUs can be reached, "
         "repeat with --recover";
}

int report(session& s, const vm_end& end, const volumes& all) {
  for (auto& one : all)
    if (auto task = static_cast<const vm_volume&>(*one).task(); task != 0)
      (void)show_task(s, task);
  if (!end.why)
    return 0;
  auto code = s.fail(*end.why);
  fmt::print(stderr, "{}\n", words_of(end.place));
  return code;
}

} // namespace

int migrate_vm(session& s, const migrate_request& what) {
  if (what.no_wait)
    return s.fail({errc::invalid, "a VM's migration is driven from here: --no-wait cannot be"});
  process_clock clock;
  auto options = options_of(s, what);
  if (!options)
    return s.fail(options.error());
  auto all = open_volumes(s, clock, what);
  if (!all)
    return s.fail(all.error());
  auto here = open_qemu(what.qmp, "the source", what.recover);
  if (!here)
    return s.fail(here.error());
  auto there = open_qemu(what.qmp_dest, "the destination", what.recover);
  if (!there)
    return s.fail(there.error());
  interrupt_guard guard;
  vm_migration work{**here, **there, *all, clock, *options};
  auto end = what.recover ? work.recover() : work.run();
  return report(s, end, *all);
}

} // namespace foreshift::cli
