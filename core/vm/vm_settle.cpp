// SPDX-License-Identifier: Apache-2.0
// How a VM's migration ends, well or not: one side primary, and the guest at that side.
#include "core/vm/vm_migration.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

constexpr auto pace = 20ms;
constexpr int rounds_max = 500;   // of `pace`: what a QEMU may take to do as it is told
constexpr int patient_rounds = 5; // a canceled migration resumes its guest by itself
constexpr int attempts_max = 3;   // a volume's port is patient itself
/// Two clocks that differ by less are taken for one: an event's way here takes that long too.
constexpr std::int64_t skew_min_us = 20'000;

std::optional<guest_state> ask(qemu_port& whom) {
  auto got = whom.guest();
  return got ? std::optional{*got} : std::nullopt;
}

} // namespace

switch_verdict judge(const switch_view& now) {
  using enum guest_state;
  if (now.destination == running)
    return switch_verdict::keep;
  if (now.source == running || now.source == paused)
    return switch_verdict::back;
  if (now.destination == paused)
    return switch_verdict::start;
  bool source_alive = now.source && now.source != broken;
  bool destination_alive = now.destination && now.destination != broken;
  if (now.source == leaving)
    return switch_verdict::wait;
  return destination_alive && (source_alive || now.destination == incoming) ? switch_verdict::wait
                                                                            : switch_verdict::lost;
}

vm_end vm_migration::finish() {
  return stay_there(std::nullopt);
}

/// Before migrate-continue: the guest has never left, and goes on at once. Only if a killed run may
/// have asked for the takeover its volumes come first: without them its requests would be held.
vm_end vm_migration::undo(fault why) {
  bool stopped = told_ == stream_state::pre_switchover && !watched_;
  if (began_ && !stopped)
    (void)cancel_stream();
  auto returned = return_volumes();
  if (!returned)
    return give_up({returned.error().code,
                    fmt::format("{}; then: {}{}", why.detail, returned.error().detail,
                                stopped ? "; the guest is stopped at the source" : "")});
  if (began_ && stopped)
    (void)cancel_stream();
  return stay_here(std::move(why), false);
}

/// After migrate-continue, when nobody has told the destination's QEMU to run the guest yet: it
/// never ran there and never will, even if its QEMU cannot be told to go.
vm_end vm_migration::take_back(fault why) {
  (void)destination_.quit();
  (void)cancel_stream();
  return stay_here(std::move(why), true);
}

/// After that: where the guest is, both QEMUs together know.
vm_end vm_migration::settle(fault why) {
  auto deadline =
      clock_.wall_us()
      + std::chrono::duration_cast<std::chrono::microseconds>(options_.switch_timeout).count();
  bool canceled = false;
  for (int late_rounds = 0; late_rounds < rounds_max;) {
    bool late = clock_.wall_us() >= deadline;
    if (late && !std::exchange(canceled, true))
      (void)source_.cancel();
    if (auto end = settle_once(why, late && late_rounds > rounds_max / 2))
      return *std::move(end);
    late_rounds += late ? 1 : 0;
    clock_.sleep(pace);
  }
  return give_up({why.code, why.detail + "; neither QEMU says where the guest is"});
}

std::optional<vm_end> vm_migration::settle_once(const fault& why, bool late) {
  switch_view now{ask(source_), ask(destination_)};
  switch (judge(now)) {
  case switch_verdict::keep:
    if (now.source == guest_state::running)
      (void)source_.pause();
    return stay_there(std::nullopt);
  case switch_verdict::start:
    return start_there(why);
  case switch_verdict::back:
    // Whatever it still gets, it must not come up.
    (void)destination_.quit();
    return stay_here(why, false);
  case switch_verdict::lost:
    if (now.source == guest_state::left && never_ran_there())
      return stay_here(why, true);
    if (at_.resume > 0)
      return stay_there(fault{errc::failed, "the guest's QEMU died at the destination"});
    return stay_here(why, false);
  case switch_verdict::wait:
    // What is lost on the way does not come any more; and who never got it all never ran.
    if (late && now.destination == guest_state::incoming && destination_.quit())
      return stay_here(why, now.source == guest_state::left);
    return std::nullopt;
  }
  return std::nullopt;
}

/// The guest is whole at the destination. Who was killed may have got there before the volumes did.
std::optional<vm_end> vm_migration::start_there(const fault& why) {
  if (!was_running_)
    return stay_there(std::nullopt);
  for (auto& volume : volumes_) {
    auto taken = watched_ ? result<take_times>{take_times{}} : volume->take();
    if (taken)
      continue;
    if (taken.error().code == errc::unreachable)
      return std::nullopt;
    // Without all of its volumes nobody let it run there.
    return take_back(why);
  }
  (void)destination_.resume();
  return std::nullopt;
}

/// Its QEMU is gone and did not say RESUME, which it says before the guest runs.
bool vm_migration::never_ran_there() {
  for (;;) {
    auto got = destination_.next_event(std::chrono::milliseconds{0});
    if (!got)
      return watched_ && got.error().code == errc::unreachable && at_.resume == 0;
    if (!*got)
      return false;
    note(**got, false);
  }
}

vm_end vm_migration::stay_there(std::optional<fault> why) {
  account_.outcome = why ? why->detail : "runs at the destination";
  write_account();
  // Should this fail: without a verdict the coordinator keeps the destination as well.
  for (auto& volume : volumes_)
    if (auto done = volume->keep(account_); !done)
      clock_.say(volume->name() + " is not told: " + done.error().detail);
  auto place = why ? vm_place::lost : vm_place::destination;
  return {place, std::move(why), account_};
}

/// The source is primary again, and its guest goes on; `start_again`: it was stopped for good there
/// and is known not to have run elsewhere.
vm_end vm_migration::stay_here(fault why, bool start_again) {
  account_.outcome = why.detail;
  write_account();
  if (auto returned = return_volumes(); !returned)
    return give_up({returned.error().code, why.detail + "; then: " + returned.error().detail});
  if (auto runs = run_here(start_again); !runs)
    return {vm_place::lost,
            fault{why.code, fmt::format("{}; the guest is lost: {}; its volumes are at the source",
                                        why.detail, runs.error().detail)},
            account_};
  return {vm_place::source, std::move(why), account_};
}

vm_end vm_migration::give_up(fault why) {
  return {vm_place::unclear, std::move(why), account_};
}

result<void> vm_migration::return_volumes() {
  for (auto& volume : volumes_) {
    result<void> done;
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
      done = volume->give_back(account_);
      if (done)
        break;
    }
    if (!done)
      return fault{done.error().code, volume->name() + ": " + done.error().detail};
  }
  return {};
}

result<void> vm_migration::cancel_stream() {
  auto done = source_.cancel();
  for (int attempt = 1; !done && attempt < attempts_max; ++attempt)
    done = source_.cancel();
  if (!done)
    return done;
  for (int i = 0; i < rounds_max; ++i) {
    auto now = source_.stream();
    if (!now && now.error().code == errc::unreachable)
      return now.error();
    if (now
        && (now->state == stream_state::none || now->state == stream_state::canceled
            || now->state == stream_state::failed || now->state == stream_state::completed))
      return {};
    clock_.sleep(pace);
  }
  return fault{errc::timeout, "the source's QEMU does not end the migration"};
}

/// Waits until the source's guest does what it did before.
result<void> vm_migration::run_here(bool start_again) {
  for (int i = 0; i < rounds_max; ++i) {
    auto now = source_.guest();
    if (!now && now.error().code == errc::unreachable)
      return now.error();
    if (now && (*now == guest_state::running || (!was_running_ && *now == guest_state::paused)))
      return {};
    if (now && *now == guest_state::broken)
      return fault{errc::failed, "the source's QEMU says that its guest is broken"};
    if (now
        && ((*now == guest_state::paused && i >= patient_rounds)
            || (*now == guest_state::left && start_again)))
      (void)source_.resume();
    clock_.sleep(pace);
  }
  return fault{errc::timeout, "the source's guest does not go on"};
}

vm_end vm_migration::recover() {
  watched_ = false;
  auto view = source_.stream();
  if (view)
    told_ = view->state;
  fault why{errc::canceled, "the interrupted migration is undone"};
  if (told_ == stream_state::active || told_ == stream_state::pre_switchover) {
    began_ = true;
    return undo(why);
  }
  return settle(why);
}

void vm_migration::phase(const char* name, std::int64_t from_us, std::int64_t to_us) {
  if (from_us > 0 && to_us >= from_us)
    account_.phases.push_back({name, from_us / 1000, static_cast<std::uint64_t>(to_us - from_us)});
}

/// All in the source's clock, which is everybody's unless clocks are seen to differ.
void vm_migration::write_account() {
  if (!account_.phases.empty())
    return;
  auto skew = destination_lag_us_.value_or(0) - source_lag_us_.value_or(0);
  if (std::abs(skew) > skew_min_us && at_.resume > 0 && at_.stop > 0)
    at_.resume += skew;
  phase("gate", at_.asked, at_.ready);
  phase("ram", at_.ready, at_.stop);
  phase("drain", at_.pre, at_.pre + static_cast<std::int64_t>(drain_us_));
  phase("promote", at_.pre, at_.pre + static_cast<std::int64_t>(promote_us_));
  phase("flip", at_.pre, at_.taken);
  phase("resume", at_.device > 0 ? at_.device : at_.taken, at_.resume);
  phase("first-io", at_.resume, at_.first);
  auto since = [](std::int64_t from, std::int64_t to) {
    return from > 0 && to > from ? static_cast<std::uint64_t>(to - from) : 0;
  };
  account_.total_us = since(at_.asked, at_.resume);
  account_.blackout_us = since(at_.stop, at_.resume);
  account_.switch_us = since(at_.pre, at_.device > 0 ? at_.device : at_.taken);
  if (auto view = source_.stream())
    account_.ram_bytes = view->sent_bytes;
}

} // namespace foreshift
