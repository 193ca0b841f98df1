// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

namespace foreshift::cli {

namespace {

void print_status(schema::Status::Reader x) {
  auto health = str(x.getHealth());
  fmt::print("health       {}\n", painted(health, health == "ok" ? paint::good : paint::warn));
  fmt::print("coordinator  version {}, up {}, token {}\n", view(x.getVersion()),
             format_duration(std::chrono::milliseconds{x.getUpMs()}), x.getToken());
  fmt::print("hosts        {} of {} up\n", x.getHostsUp(), x.getHosts());
  fmt::print("volumes      {}, {} attached\n", x.getVolumes(), x.getAttached());
  fmt::print("tasks        {} running, moving {}/s\n", x.getTasksRunning(),
             format_bytes(x.getMoveBytesPerSecond()));
  if (x.getCycle().size() > 0) {
    fmt::print("last cycle  ");
    for (auto phase : x.getCycle())
      fmt::print(" {} {}", view(phase.getName()),
                 format_duration(std::chrono::microseconds{phase.getDurationUs()}));
    fmt::print("\n");
  }
  if (auto y = x.getSpeculation(); y.getCopiedBytes() > 0)
    fmt::print("speculation  {} copied: {} held, {} used, {} wasted\n",
               format_bytes(y.getCopiedBytes()), format_bytes(y.getHeldBytes()),
               format_bytes(y.getUsedBytes()), format_bytes(y.getWastedBytes()));
  for (auto problem : x.getProblems())
    fmt::print("problem      {}\n", painted(view(problem), paint::bad));
}

} // namespace

int show_status(session& s) {
  return ask_and_show<schema::Status>(s, packet<schema::StatusGet>::make([](auto) {}),
                                      print_status);
}

} // namespace foreshift::cli
