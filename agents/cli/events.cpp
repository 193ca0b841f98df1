// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"

#include <fmt/format.h>

#include <thread>

namespace foreshift::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto follow_wait = 8'000ms; ///< Below ask_timeout: the coordinator answers first.

packet<schema::EventsGet> events_after(std::uint64_t after, std::uint32_t limit,
                                       std::chrono::milliseconds wait) {
  return packet<schema::EventsGet>::make([&](auto x) {
    x.setAfter(after);
    x.setLimit(limit);
    x.setWaitMs(static_cast<std::uint32_t>(wait.count()));
  });
}

void print_event(schema::Event::Reader e) {
  auto level = str(e.getLevel());
  auto mood = level == "error" ? paint::bad : level == "warning" ? paint::warn : paint::none;
  auto line = fmt::format("{}  {:<7}  {:<18}  {}", local_time(e.getAtMs()), level,
                          view(e.getSubject()), view(e.getText()));
  fmt::print("{}\n", painted(line, mood));
}

void print_batch(session& s, schema::Events::Reader batch) {
  for (auto e : batch.getEvents()) {
    if (s.json())
      fmt::print("{}\n", to_json(capnp::DynamicStruct::Reader{e}, false));
    else
      print_event(e);
  }
  std::fflush(stdout);
}

/// Prints events as they come, until Ctrl-C. Waits for a coordinator that restarts.
int follow_events(session& s, std::uint64_t after, std::uint32_t limit) {
  bool heard = false;
  for (;;) {
    auto got = s.ask<schema::Events>(events_after(after, limit, heard ? follow_wait : 0ms));
    if (!got && !heard)
      return s.fail(got.error());
    if (!got) {
      std::this_thread::sleep_for(1s);
      continue;
    }
    heard = true;
    print_batch(s, got->read());
    for (auto e : got->read().getEvents())
      after = e.getSeq();
  }
}

} // namespace

int show_events(session& s, std::uint64_t after, std::uint32_t limit, bool follow) {
  if (follow)
    return follow_events(s, after, limit);
  return ask_and_show<schema::Events>(s, events_after(after, limit, 0ms),
                                      [](schema::Events::Reader batch) {
                                        for (auto e : batch.getEvents())
                                          print_event(e);
                                      });
}

} // namespace foreshift::cli
