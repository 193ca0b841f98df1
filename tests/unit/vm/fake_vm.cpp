// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm/fake_vm.hpp"

#include <doctest/doctest.h>

namespace foreshift::test {

fake_vm::fake_vm(int volumes, bool stopped) : runs_on_arrival(!stopped) {
  for (int i = 0; i < volumes; ++i)
    ports.push_back(std::make_unique<volume>(*this, i));
  primary.assign(static_cast<std::size_t>(volumes), source_side);
  source_drained.assign(static_cast<std::size_t>(volumes), false);
}

vm_end fake_vm::run() {
  vm_migration_options options;
  options.uri = "tcp:b:1";
  vm_migration uut{source, destination, ports, time, options};
  return uut.run();
}

vm_end fake_vm::recover() {
  plan.clear();
  source.asked.reset();
  for (auto& port : ports)
    static_cast<volume&>(*port).asked.reset();
  vm_migration uut{source, destination, ports, time, {}};
  return uut.recover();
}

void fake_vm::check(const vm_end& end) {
  CAPTURE(end.why ? to_string(*end.why) : std::string{});
  REQUIRE(end.place != vm_place::unclear);
  for (auto where : primary)
    CHECK(where == primary.front());
  bool here = source.alive && source.state == guest_state::running;
  bool there = destination.alive && destination.state == guest_state::running;
  CHECK_FALSE((here && there));
  // Who dies after the last look at it cannot be noticed.
  CHECK((here == (end.place == vm_place::source) || !source.alive));
  CHECK((there == (end.place == vm_place::destination) || !destination.alive));
  CHECK((end.place != vm_place::destination || ran_there));
  if (here)
    CHECK(primary.front() == source_side);
  if (there)
    CHECK(primary.front() == destination_side);
}

std::optional<trouble> fake_vm::count() {
  if (killed_at == calls)
    throw killed{};
  auto bad = plan.find(calls++);
  if (bad == plan.end())
    return std::nullopt;
  switch (bad->second) {
  case trouble::source_dies:
    source.alive = false;
    break;
  case trouble::destination_dies:
    destination.alive = false;
    break;
  case trouble::interrupt:
    interrupted = true;
    break;
  case trouble::user_cancels:
    if (source.alive)
      cancel_stream();
    break;
  default:
    break;
  }
  return bad->second;
}

void fake_vm::advance(std::chrono::milliseconds span) {
  now_us += std::max<std::int64_t>(1, span.count()) * 1000;
}

void fake_vm::enter(stream_state next, const char* word) {
  stream = next;
  source.events.push_back({"MIGRATION", now_us, word, 0});
}

void fake_vm::source_goes_on() {
  if (source.alive)
    source.set_running();
}

void fake_vm::cancel_stream() {
  if (stream != stream_state::active && stream != stream_state::pre_switchover
      && stream != stream_state::device)
    return;
  enter(stream_state::canceled, "cancelled");
  source_goes_on();
  destination.alive = false; // QEMU exits when its incoming migration ends early
}

void fake_vm::proceed_by_itself() {
  bool cut = !destination.alive || !source.alive;
  if (stream == stream_state::active) {
    if (cut)
      return fail_stream();
    ram_left -= std::min<std::uint64_t>(ram_left, 4);
    if (ram_left > 0)
      return;
    source.state = guest_state::leaving;
    source.events.push_back({"STOP", now_us, "", 0});
    enter(stream_state::pre_switchover, "pre-switchover");
  } else if (stream == stream_state::device) {
    if (cut)
      return fail_stream();
    if (++device_steps < 4)
      return;
    enter(stream_state::completed, "completed");
    source.state = guest_state::left;
  } else if (stream == stream_state::completed && destination.alive
             && destination.state == guest_state::incoming && ++device_steps > 8) {
    destination.events.push_back({"MIGRATION", now_us, "completed", 0});
    destination.state = guest_state::paused;
    if (runs_on_arrival)
      destination.set_running();
  }
}

void fake_vm::fail_stream() {
  if (!source.alive) {
    destination.alive = false;
    return;
  }
  enter(stream_state::failed, "failed");
  source_goes_on();
}

void fake_vm::ran(side where) {
  REQUIRE_FALSE((where == source_side && ran_there));
  // With all of its volumes or not at all.
  for (auto primary_side : primary)
    REQUIRE((where == source_side || primary_side == destination_side));
  ran_there |= where == destination_side;
}

} // namespace foreshift::test
