// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm/fake_vm.hpp"

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct ready_vm : fake_vm {
  explicit ready_vm(int volumes = 1, bool stopped = false) : fake_vm(volumes, stopped) {
    destination.state = guest_state::incoming;
  }
};

int calls_of_a_calm_run(int volumes, bool stopped) {
  ready_vm vm{volumes, stopped};
  auto end = vm.run();
  REQUIRE_FALSE(end.why);
  return vm.calls;
}

} // namespace

TEST_CASE("a VM migrates with its volumes and the account adds up") {
  for (bool stopped : {false, true}) {
    CAPTURE(stopped);
    ready_vm vm{2, stopped};
    auto end = vm.run();
    REQUIRE_MESSAGE(!end.why, (end.why ? to_string(*end.why) : ""));
    CHECK(end.place == vm_place::destination);
    vm.check(end);
    CHECK(vm.released.size() == 2);
    CHECK(end.account.blackout_us > 0);
    CHECK(end.account.switch_us > 0);
    CHECK(end.account.switch_us <= end.account.blackout_us);
    CHECK(end.account.total_us > end.account.blackout_us);
    std::set<std::string> names;
    for (auto& phase : end.account.phases)
      names.insert(phase.name);
    CHECK(
        names
        == std::set<std::string>{"gate", "ram", "drain", "promote", "flip", "resume", "first-io"});
  }
}

TEST_CASE("leases are armed before a short RAM stream and during a long one") {
  ready_vm small;
  small.ram_bytes = 100u << 20;
  CHECK_FALSE(small.run().why);
  CHECK(small.armed_in == stream_state::none);
  ready_vm large;
  CHECK_FALSE(large.run().why);
  CHECK(large.armed_in == stream_state::active);
}

TEST_CASE("a guest that is stopped before its hosts are ready goes on at the source") {
  ready_vm late;
  late.slow_arming = 20; // when the stream has ended already
  CHECK_FALSE(late.run().why);
  ready_vm vm;
  vm.slow_arming = 1'000'000;
  auto end = vm.run();
  vm.check(end);
  REQUIRE(end.why);
  CHECK(end.why->code == errc::timeout);
  CHECK(vm.source.state == guest_state::running);
  CHECK_FALSE(vm.taken); // so its volumes need not come back before it runs
}

TEST_CASE("RAM yields to a guest whose requests take long, and only then") {
  for (bool slow : {false, true}) {
    CAPTURE(slow);
    ready_vm vm;
    vm.ram_left = 4000;
    vm.slowed_by_ram = slow ? 20 : 1;
    CHECK_FALSE(vm.run().why);
    CHECK(vm.bandwidths.empty() != slow);
  }
}

TEST_CASE("a volume that cannot be taken brings a guest back whose RAM has arrived already") {
  int arrived = 0;
  for (int at = 0; at < calls_of_a_calm_run(1, false); ++at) {
    CAPTURE(at);
    ready_vm vm;
    vm.slow_takeover = 40; // QEMU is through with its switchover long before
    vm.plan[at] = trouble::volume_refuses;
    auto end = vm.run(); // asserts that it never runs there without its volumes
    vm.check(end);
    arrived += end.place == vm_place::source && vm.stream == stream_state::completed;
  }
  CHECK(arrived > 0);
}

TEST_CASE("QEMUs that are not ready change nothing") {
  ready_vm vm;
  SUBCASE("the destination does not wait") {
    vm.destination.state = guest_state::running;
    auto end = vm.run();
    REQUIRE(end.why);
    CHECK(end.why->code == errc::precondition);
  }
  SUBCASE("the source is migrating already") {
    vm.stream = stream_state::pre_switchover;
    auto end = vm.run();
    REQUIRE(end.why);
    CHECK(end.why->detail.find("--recover") != std::string::npos);
  }
  CHECK_FALSE(static_cast<fake_vm::volume&>(*vm.ports.front()).begun);
  CHECK(vm.primary.front() == fake_vm::source_side);
}

TEST_CASE("whatever happens at any call, one side is primary and a living guest runs there") {
  int stayed = 0;
  int moved = 0;
  int lost = 0;
  for (bool stopped : {false, true}) {
    auto calls = calls_of_a_calm_run(2, stopped);
    for (int at = 0; at < calls; ++at)
      for (auto what : troubles) {
        CAPTURE(stopped);
        CAPTURE(at);
        CAPTURE(static_cast<int>(what));
        ready_vm vm{2, stopped};
        vm.plan[at] = what;
        auto end = vm.run();
        vm.check(end);
        stayed += end.place == vm_place::source;
        moved += end.place == vm_place::destination;
        lost += end.place == vm_place::lost;
        // Only a QEMU's death loses a guest, and a destination's only after it ran there.
        if (end.place == vm_place::lost) {
          bool died = what == trouble::source_dies || what == trouble::destination_dies;
          CHECK(died);
        }
      }
  }
  CHECK(stayed > 50);
  CHECK(moved > 20);
  CHECK(lost > 10);
}

TEST_CASE("two troubles in one migration end clean too") {
  auto calls = calls_of_a_calm_run(2, false);
  for (int one = 0; one < calls; one += 3)
    for (int two = one + 1; two < calls + 6; two += 2)
      for (auto first : troubles)
        for (auto second : troubles) {
          CAPTURE(one);
          CAPTURE(two);
          CAPTURE(static_cast<int>(first));
          CAPTURE(static_cast<int>(second));
          ready_vm vm{2};
          vm.plan[one] = first;
          vm.plan[two] = second;
          auto end = vm.run();
          if (end.place == vm_place::unclear)
            end = vm.recover();
          vm.check(end);
        }
}

TEST_CASE("a volume that cannot be taken brings those taken before it back") {
  ready_vm vm{3};
  int takes = 0;
  auto calls = calls_of_a_calm_run(3, false);
  for (int at = 0; at < calls; ++at) {
    CAPTURE(at);
    ready_vm one{3};
    one.plan[at] = trouble::volume_refuses;
    auto end = one.run();
    one.check(end);
    if (end.place == vm_place::source && one.stream == stream_state::canceled) {
      ++takes;
      CHECK(end.why->code == errc::refused);
      CHECK(one.source.state == guest_state::running);
    }
  }
  CHECK(takes >= 3);
}

TEST_CASE("a driver that was killed at any call is recovered by another") {
  auto calls = calls_of_a_calm_run(2, false);
  for (int at = 0; at < 2 * calls; ++at) {
    CAPTURE(at);
    ready_vm vm{2};
    vm.killed_at = at / 2;
    if (at % 2 == 1) // the coordinator says: the takeover came to nothing, it took too long
      vm.no_take = fault{errc::timeout, "the destination was silent"};
    try {
      (void)vm.run();
      continue;
    } catch (const fake_vm::killed&) {
    }
    vm.killed_at.reset();
    vm.source.events.clear(); // the next client of the monitors hears nothing of before
    vm.destination.events.clear();
    for (int i = 0; at % 2 == 1 && i < 40; ++i) // QEMU is through with its switchover
      vm.proceed_by_itself();
    vm.check(vm.recover());
  }
}

TEST_CASE("the verdict follows the guest, and never the state of one that may run elsewhere") {
  using enum guest_state;
  CHECK(judge({left, running}) == switch_verdict::keep);
  CHECK(judge({running, running}) == switch_verdict::keep);
  CHECK(judge({std::nullopt, running}) == switch_verdict::keep);
  CHECK(judge({running, incoming}) == switch_verdict::back);
  CHECK(judge({running, std::nullopt}) == switch_verdict::back);
  CHECK(judge({left, paused}) == switch_verdict::start);
  CHECK(judge({std::nullopt, paused}) == switch_verdict::start);
  CHECK(judge({leaving, incoming}) == switch_verdict::wait);
  CHECK(judge({left, incoming}) == switch_verdict::wait);
  CHECK(judge({left, std::nullopt}) == switch_verdict::lost);
  CHECK(judge({left, broken}) == switch_verdict::lost);
  CHECK(judge({std::nullopt, std::nullopt}) == switch_verdict::lost);
}
