// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/vm/vm_migration.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>
#include <set>

namespace foreshift::test {

/// What happens at one call of the driver.
enum class trouble {
  source_dies,
  destination_dies,
  coordinator_silent, ///< For this and the next call to it.
  volume_refuses,     ///< The call, if it is a volume's, is answered with a no.
  qemu_refuses,       ///< Likewise, if it is a QEMU's.
  interrupt,
  user_cancels, ///< migrate_cancel by somebody else.
};
inline constexpr trouble troubles[] = {
    trouble::source_dies,    trouble::destination_dies, trouble::coordinator_silent,
    trouble::volume_refuses, trouble::qemu_refuses,     trouble::interrupt,
    trouble::user_cancels,
};

/// Two QEMUs, their guest, and the leases of its volumes, in one call stack. Asserts what must
/// never happen: a guest that runs at both sides, or resumes an old state after it ran elsewhere.
class fake_vm {
public:
  explicit fake_vm(int volumes = 1, bool stopped = false);

  enum side { source_side, destination_side };

  struct qemu final : qemu_port {
    qemu(fake_vm& all, side where) : vm(all), here(where) {}

    result<guest_state> guest() override {
      return call<guest_state>([&] { return state; });
    }
    result<stream_view> stream() override {
      return call<stream_view>([&] {
        stream_view x;
        x.state = vm.stream;
        x.sent_bytes = vm.ram_sent += 1'000'000;
        x.remaining_bytes = vm.ram_left;
        x.rate_bytes = 10;
        return x;
      });
    }
    result<std::uint64_t> ram_bytes() override {
      return call<std::uint64_t>([&] { return vm.ram_bytes; });
    }
    result<void> prepare_source(const stream_options&) override {
      return act([] {});
    }
    result<void> prepare_destination() override {
      return act([] {});
    }
    result<std::string> accept(const std::string& uri) override {
      return call<std::string>([&] { return uri; });
    }
    result<void> begin(const std::string&) override {
      return act([&] { vm.stream = stream_state::active; });
    }
    result<void> set_bandwidth(std::uint64_t bytes) override {
      return act([&] { vm.bandwidths.push_back(bytes); });
    }
    void ask_to_proceed() override { asked = proceed_now(); }
    result<void> proceed() override {
      auto told = std::exchange(asked, std::nullopt);
      return told ? *told : proceed_now();
    }
    result<void> proceed_now() {
      return act([&] {
        if (vm.stream == stream_state::pre_switchover)
          vm.enter(stream_state::device, "device");
      });
    }
    result<void> cancel() override {
      return act([&] { vm.cancel_stream(); });
    }
    result<void> resume() override {
      return act([&] {
        if (state == guest_state::incoming)
          vm.runs_on_arrival = true;
        else
          set_running();
      });
    }
    result<void> pause() override {
      return act([&] {
        if (state == guest_state::incoming)
          vm.runs_on_arrival = false;
        else
          state = guest_state::paused;
      });
    }
    result<void> quit() override {
      return act([&] { alive = false; });
    }
    result<disk_totals> disks() override {
      return call<disk_totals>([&] {
        vm.requests += 100;
        auto each = vm.request_ns * (vm.stream == stream_state::active ? vm.slowed_by_ram : 1);
        vm.busy_ns += 100 * each;
        return disk_totals{vm.requests, {vm.requests, vm.busy_ns}};
      });
    }
    result<std::optional<qmp::heard>> next_event(std::chrono::milliseconds span) override {
      vm.count();
      vm.advance(span);
      vm.proceed_by_itself();
      if (!events.empty()) {
        auto first = events.front();
        events.pop_front();
        return std::optional{qmp::heard{first, vm.now_us}};
      }
      if (!alive)
        return fault{errc::unreachable, "gone"};
      return std::optional<qmp::heard>{};
    }

    void set_running() {
      if (state != guest_state::running)
        events.push_back({"RESUME", vm.now_us, "", 0});
      state = guest_state::running;
      vm.ran(here);
    }
    template <class T, class Do>
    result<T> call(Do what) {
      auto meets = vm.count();
      vm.proceed_by_itself();
      if (!alive)
        return fault{errc::unreachable, "gone"};
      if (meets == trouble::qemu_refuses)
        return fault{errc::failed, "refused by QEMU"};
      return what();
    }
    template <class Do>
    result<void> act(Do what) {
      auto done = call<int>([&] {
        what();
        return 0;
      });
      return done ? result<void>{} : done.error();
    }

    fake_vm& vm;
    const side here;
    bool alive = true;
    guest_state state = guest_state::running;
    std::deque<qmp::event> events;
    std::optional<result<void>> asked;
  };

  struct volume final : volume_port {
    volume(fake_vm& all, int number) : vm(all), at(static_cast<std::size_t>(number)) {}
    std::string name() const override { return "v" + std::to_string(at); }
    result<void> begin(std::uint64_t, std::uint64_t) override {
      return act([&] { begun = true; });
    }
    result<bool> ready() override {
      auto done = act([] {});
      return done ? result<bool>{++looks > 2} : done.error();
    }
    void ask_to_arm() override {
      asked = act([&] { vm.armed_in = vm.stream; });
    }
    result<bool> armed() override {
      if (vm.slow_arming > 0 && vm.slow_arming-- > 0)
        return false;
      if (!asked)
        return true;
      auto done = *std::exchange(asked, std::nullopt);
      if (done)
        return true;
      if (done.error().code != errc::unreachable)
        return done.error();
      ask_to_arm();
      return false;
    }
    void ask_to_take() override { asked = take_now(); }
    result<take_times> take() override {
      for (int i = 0; i < vm.slow_takeover; ++i)
        vm.proceed_by_itself();
      bool silent = !asked || (!*asked && asked->error().code == errc::unreachable);
      auto done = silent ? take_now() : *asked;
      return done ? result<take_times>{take_times{300, 400}} : done.error();
    }
    result<void> take_now() {
      if (vm.no_take && vm.primary[at] != destination_side)
        return *vm.no_take;
      return act([&] {
        vm.primary[at] = destination_side;
        vm.source_drained[at] = true;
        vm.taken = true;
      });
    }
    result<void> keep(const vm_account&) override {
      return act([&] {
        REQUIRE(vm.primary[at] == destination_side);
        vm.released.insert(at);
      });
    }
    result<void> give_back(const vm_account&) override {
      return act([&] {
        vm.primary[at] = source_side;
        vm.source_drained[at] = false;
      });
    }
    template <class Do>
    result<void> act(Do what) {
      auto meets = vm.count();
      if (meets == trouble::coordinator_silent)
        vm.silent_calls = 2;
      if (vm.silent_calls > 0 && vm.silent_calls-- > 0)
        return fault{errc::unreachable, "the coordinator is silent"};
      if (meets == trouble::volume_refuses)
        return fault{errc::refused, "refused"};
      what();
      return {};
    }
    fake_vm& vm;
    const std::size_t at;
    bool begun = false;
    int looks = 0;
    std::optional<result<void>> asked;
  };

  struct clock final : vm_clock {
    explicit clock(fake_vm& all) : vm(all) {}
    std::int64_t wall_us() override { return vm.now_us; }
    void sleep(std::chrono::milliseconds span) override { vm.advance(span); }
    bool interrupted() override { return vm.interrupted; }
    void say(const std::string&) override {}
    fake_vm& vm;
  };

  vm_end run();

  /// What a new process does after the driver was killed.
  vm_end recover();

  /// After every end: one side is primary of all volumes, and a guest that runs runs there.
  void check(const vm_end& end);

  /// One step of the RAM stream, whenever somebody looks.
  void proceed_by_itself();

  int calls = 0;
  std::map<int, trouble> plan;
  std::optional<int> killed_at; ///< The driver's process dies at that call.
  struct killed {};

  bool runs_on_arrival; ///< Not if the destination's QEMU was started with -S, or told to wait.
  std::int64_t now_us = 1'700'000'000'000'000;
  std::uint64_t ram_left = 50;
  std::uint64_t ram_sent = 0;
  std::uint64_t ram_bytes = 64ull << 30;
  stream_state armed_in = stream_state::failed; ///< Where the stream was when leases were armed.
  stream_state stream = stream_state::none;
  bool interrupted = false;
  int silent_calls = 0;
  std::uint64_t requests = 0;
  std::int64_t busy_ns = 0, request_ns = 200'000;
  int slow_takeover = 0;                 ///< Steps of QEMU's before it is answered.
  int slow_arming = 0;                   ///< Looks before it is done.
  std::int64_t slowed_by_ram = 1;        ///< So much longer requests take while RAM is copied.
  std::vector<std::uint64_t> bandwidths; ///< That were set while RAM was copied.
  std::vector<side> primary;
  std::vector<bool> source_drained;
  bool taken = false; ///< A lease, ever.
  std::optional<fault> no_take;
  std::set<std::size_t> released;
  qemu source{*this, source_side};
  qemu destination{*this, destination_side};
  std::vector<std::unique_ptr<volume_port>> ports;
  clock time{*this};

private:
  friend struct qemu;

  std::optional<trouble> count();

  void advance(std::chrono::milliseconds span);

  void enter(stream_state next, const char* word);

  /// QEMU's own: a canceled or failed migration lets the source's guest run again.
  void source_goes_on();
  void cancel_stream();

  void fail_stream();
  void ran(side where);

  int device_steps = 0;
  bool ran_there = false;
};

} // namespace foreshift::test
