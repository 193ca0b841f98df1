// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/tasks.hpp"

#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "agents/cli/vm_volume.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

namespace foreshift::cli {

const char* name_of(schema::TaskKind kind) {
  constexpr const char* names[] = {"attach",  "detach", "flip",  "migrate",
                                   "balance", "drain",  "remove"};
  auto i = static_cast<std::size_t>(kind);
  return i < std::size(names) ? names[i] : "unknown";
}

const char* name_of(schema::TaskState state) {
  constexpr const char* names[] = {"running", "done", "failed", "canceled"};
  auto i = static_cast<std::size_t>(state);
  return i < std::size(names) ? names[i] : "unknown";
}

std::string title_of(schema::Task::Reader task) {
  std::string out = fmt::format("{} {}", name_of(task.getKind()), view(task.getName()));
  if (task.getVolume() == 0)
    return fmt::format("{} host {}", name_of(task.getKind()), view(task.getFrom()));
  if (task.getFrom().size() > 0)
    out += " from " + str(task.getFrom());
  if (task.getTo().size() > 0)
    out += " to " + str(task.getTo());
  return out;
}

namespace {

std::string took(schema::Task::Reader task) {
  if (task.getEndedMs() == 0)
    return "-";
  return format_duration(std::chrono::milliseconds{task.getEndedMs() - task.getStartedMs()});
}

std::string us(std::uint64_t value) {
  return format_duration(std::chrono::microseconds{value});
}

void print_tasks(schema::Tasks::Reader x) {
  table out{{{"ID", align::right},
             {"KIND"},
             {"VOLUME"},
             {"FROM"},
             {"TO"},
             {"STATE"},
             {"PHASE"},
             {"COVERAGE", align::right},
             {"MOVED", align::right},
             {"FLIP", align::right},
             {"STARTED"},
             {"TOOK", align::right}}};
  for (auto t : x.getTasks())
    out.row({std::to_string(t.getId()), name_of(t.getKind()), str(t.getName()), str(t.getFrom()),
             str(t.getTo()), name_of(t.getState()), str(t.getPhase()),
             t.getKind() == schema::TaskKind::MIGRATE ? percent(t.getCoverage()) : "-",
             format_bytes(t.getBytesMoved()),
             t.getFlip().getTotalUs() > 0 ? us(t.getFlip().getTotalUs()) : "-",
             local_time(t.getStartedMs()), took(t)});
  out.print("no tasks running; --all shows those that have ended");
}

void print_flip(schema::Task::Reader t) {
  auto flip = t.getFlip();
  if (flip.getTotalUs() > 0)
    fmt::print("flip      {}: drain {}, promote {}, serve {}; epoch {}\n", us(flip.getTotalUs()),
               us(flip.getDrainUs()), us(flip.getPromoteUs()), us(flip.getServeUs()), t.getEpoch());
  if (t.getImplicit())
    fmt::print("asked by  the first write at {}{}\n", view(t.getTo()),
               flip.getWaitedUs() > 0 ? ", which waited " + us(flip.getWaitedUs()) : "");
}

/// What was promised of a VM's migration, and what came true.
void print_vm(schema::Task::Reader t) {
  if (!t.getHeld())
    return;
  fmt::print("promised  {}\n", promise_line(t.getPromised()));
  auto vm = t.getVm();
  if (vm.getOutcome().size() == 0)
    return;
  fmt::print("vm        {}", view(vm.getOutcome()));
  if (vm.getBlackoutUs() > 0)
    fmt::print(": {} of RAM in {}, blackout {}, the flip's share {}",
               format_bytes(vm.getRamBytes()), us(vm.getTotalUs()), us(vm.getBlackoutUs()),
               us(vm.getSwitchUs()));
  fmt::print("\n");
  if (vm.getPhases().size() > 0) {
    fmt::print("vm phases");
    for (auto phase : vm.getPhases())
      fmt::print(" {} {}", view(phase.getName()), us(phase.getDurationUs()));
    fmt::print("\n");
  }
}

void print_task(schema::Task::Reader t) {
  auto state = t.getState();
  auto mood = state == schema::TaskState::DONE     ? paint::good
              : state == schema::TaskState::FAILED ? paint::bad
                                                   : paint::warn;
  fmt::print("task      {}: {}\n", t.getId(), title_of(t));
  fmt::print("state     {}{}{}\n", painted(name_of(state), mood),
             t.getEndedMs() == 0 ? fmt::format(", in {}", view(t.getPhase())) : " after " + took(t),
             t.getCancelRequested() && t.getEndedMs() == 0 ? ", canceling" : "");
  if (t.getKind() == schema::TaskKind::MIGRATE || t.getBytesMoved() > 0) {
    fmt::print("moved     {} of {} before the flip, {} in it\n", format_bytes(t.getBytesMoved()),
               format_bytes(t.getBytesPlanned()), format_bytes(t.getBytesMovedInFlip()));
    fmt::print("coverage  {} at the flip, gate {}\n",
               t.getFlip().getTotalUs() > 0 ? percent(t.getCoverageAtFlip()) : "-",
               percent(t.getGate()));
  }
  print_flip(t);
  if (t.getPhases().size() > 0) {
    fmt::print("phases   ");
    for (auto phase : t.getPhases())
      fmt::print(" {} {}", view(phase.getName()), us(phase.getDurationUs()));
    fmt::print("\n");
  }
  print_vm(t);
}

} // namespace

int report_task(session& s, const packet<schema::Task>& task) {
  auto t = task.read();
  if (s.json())
    std::puts(to_json(task).c_str());
  else
    print_task(t);
  switch (t.getState()) {
  case schema::TaskState::FAILED:
  case schema::TaskState::CANCELED: {
    auto code = static_cast<errc>(t.getErrorCode());
    if (code == errc::ok)
      code = t.getState() == schema::TaskState::CANCELED ? errc::canceled : errc::failed;
    auto why = t.getError().size() > 0 ? str(t.getError()) : std::string{name_of(t.getState())};
    return s.fail({code, fmt::format("task {} ({}): {}", t.getId(), title_of(t), why)});
  }
  default:
    return 0;
  }
}

int list_tasks(session& s, bool all) {
  auto request = packet<schema::TaskList>::make([&](auto x) { x.setAll(all); });
  return ask_and_show<schema::Tasks>(s, request, print_tasks);
}

int show_task(session& s, std::uint64_t id) {
  auto request = packet<schema::TaskShow>::make([&](auto x) { x.setId(id); });
  return ask_and_show<schema::Task>(s, request, [](schema::Task::Reader t) {
    print_task(t);
    if (t.getError().size() > 0)
      fmt::print("error     {}\n", view(t.getError()));
  });
}

int show_calibration(session& s) {
  return ask_and_show<schema::Calibration>(
      s, packet<schema::CalibrationGet>::make([](auto) {}), [](schema::Calibration::Reader x) {
        fmt::print("promises  {} of {} blackouts within their interval\n", x.getWithin(),
                   x.getMigrations());
        if (x.getBlackoutUs() > 0)
          fmt::print("blackout  {} median; the next is promised {} to {}\n", us(x.getBlackoutUs()),
                     us(x.getBlackoutLowUs()), us(x.getBlackoutHighUs()));
        if (x.getSwitchUs() > 0)
          fmt::print("flip      {} of it median, {} at most in 99 of 100\n", us(x.getSwitchUs()),
                     us(x.getSwitchP99Us()));
        fmt::print("bytes     {:.2f} moved for each promised\ntime      {:.2f} of the promised\n",
                   x.getBytesRatio(), x.getDurationRatio());
      });
}

int cancel_task(session& s, std::uint64_t id) {
  auto request = packet<schema::TaskCancel>::make([&](auto x) { x.setId(id); });
  return ask_and_show<schema::Task>(s, request, print_task);
}

} // namespace foreshift::cli
