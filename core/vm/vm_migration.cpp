// SPDX-License-Identifier: Apache-2.0
// The way there; the ways back are in vm_settle.cpp.
#include "core/vm/vm_migration.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto pace = 20ms;
constexpr auto impatience = 2s;
constexpr auto look_interval_us = 100'000;
/// Leases are armed when so much time of RAM copying is left: from then on no extent is copied.
constexpr double arm_ahead_s = 5.0;
/// How long a stopped guest waits for hosts that were asked to be ready; then it goes on here.
constexpr auto stopped_patience = 3s;
/// What a RAM stream achieves that is not limited and has not been measured yet, bytes a second.
constexpr double rate_assumed = 125e6;
constexpr auto first_request_patience = 500ms;

std::int64_t us(milliseconds span) {
  return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}

fault off(std::string why) {
  return {errc::precondition, std::move(why)};
}

} // namespace

vm_migration::vm_migration(qemu_port& source, qemu_port& destination,
                           std::vector<std::unique_ptr<volume_port>>& volumes, vm_clock& clock,
                           vm_migration_options options)
    : source_(source), destination_(destination), volumes_(volumes), clock_(clock),
      options_(std::move(options)), pace_({options_.stream.bandwidth_bytes, options_.tolerated}) {}

vm_end vm_migration::run() {
  at_.asked = clock_.wall_us();
  if (auto ok = check(); !ok) {
    auto here = source_.guest();
    bool gone = !here && here.error().code == errc::unreachable;
    return {gone ? vm_place::lost : vm_place::source, ok.error(), account_};
  }
  for (auto step : {&vm_migration::pre_position, &vm_migration::copy_ram})
    if (auto done = (this->*step)(); !done)
      return undo(done.error());
  for (auto step : {&vm_migration::take_all, &vm_migration::switch_over})
    if (auto done = (this->*step)(); !done)
      return released_ ? settle(done.error()) : take_back(done.error());
  return finish();
}

/// Nothing is changed unless both QEMUs are what they are said to be.
result<void> vm_migration::check() {
  auto here = source_.guest();
  if (!here)
    return here.error();
  if (*here != guest_state::running && *here != guest_state::paused)
    return off("the source's QEMU has no guest that could migrate");
  was_running_ = *here == guest_state::running;
  auto former = source_.stream();
  if (!former)
    return former.error();
  if (former->state == stream_state::active || former->state == stream_state::pre_switchover
      || former->state == stream_state::device)
    return off("the source's QEMU is migrating already; if nobody drives it any more, repeat with "
               "--recover");
  auto there = destination_.guest();
  if (!there)
    return there.error();
  if (*there != guest_state::incoming)
    return off("the destination's QEMU does not wait for a migration: start it with -incoming "
               "defer");
  if (auto done = source_.prepare_source(options_.stream); !done)
    return done;
  return destination_.prepare_destination();
}

/// The way a QEMU dies while nobody asks it anything.
result<void> vm_migration::alive(bool source_too) {
  if (clock_.interrupted())
    return fault{errc::canceled, "canceled"};
  for (bool at_source : {true, false}) {
    auto got = (at_source ? source_ : destination_).next_event(0ms);
    if (!got && at_source && !source_too)
      continue;
    if (!got)
      return got.error();
    if (*got)
      note(**got, at_source);
  }
  return {};
}

result<void> vm_migration::pre_position() {
  auto ram = source_.ram_bytes();
  if (!ram)
    return ram.error();
  if (auto now = source_.disks())
    pace_.quiet(now->transfers);
  for (auto& volume : volumes_)
    if (auto done = volume->begin(*ram, options_.stream.bandwidth_bytes); !done)
      return fault{done.error().code, volume->name() + ": " + done.error().detail};
  std::vector<bool> ready(volumes_.size());
  for (;;) {
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
      if (ready[i])
        continue;
      auto now = volumes_[i]->ready();
      if (!now)
        return now.error();
      ready[i] = *now;
    }
    if (auto ok = alive(); !ok)
      return ok;
    if (std::all_of(ready.begin(), ready.end(), [](bool x) { return x; }))
      break;
    // What was announced is there at once.
    bool soon = clock_.wall_us() - at_.asked < us(impatience);
    clock_.sleep(soon ? pace : 10 * pace);
  }
  at_.ready = clock_.wall_us();
  if (auto now = source_.disks())
    pace_.quiet(now->transfers);
  auto limit = static_cast<double>(options_.stream.bandwidth_bytes);
  if (static_cast<double>(*ram) >= arm_ahead_s * (limit > 0 ? limit : rate_assumed))
    return {};
  for (ask_to_arm(); !armed_; clock_.sleep(pace)) {
    if (auto done = look_at_arming(); !done)
      return done;
    if (auto ok = alive(); !ok)
      return ok;
  }
  return {};
}

void vm_migration::ask_to_arm() {
  for (auto& volume : volumes_)
    volume->ask_to_arm();
  asked_to_arm_ = true;
}

/// The RAM stream is not waited with: it may be over before every host has answered.
result<void> vm_migration::look_at_arming() {
  if (!asked_to_arm_ || armed_)
    return {};
  bool all = true;
  for (auto& volume : volumes_) {
    auto done = volume->armed();
    if (!done)
      return fault{done.error().code, volume->name() + ": " + done.error().detail};
    all &= *done;
  }
  armed_ = all;
  return {};
}

/// Until QEMU has stopped the guest.
result<void> vm_migration::copy_ram() {
  if (auto now = destination_.disks())
    requests_before_ = now->requests;
  auto uri = destination_.accept(options_.uri);
  if (!uri)
    return uri.error();
  // It runs when its volumes are there, not when its RAM is.
  if (auto done = destination_.pause(); was_running_ && !done)
    return done;
  clock_.say("copies RAM to " + *uri);
  began_ = true;
  if (auto done = source_.begin(*uri); !done)
    return done;
  auto deadline = clock_.wall_us() + us(options_.ram_timeout);
  std::optional<std::int64_t> stopped_until;
  for (std::int64_t looked = 0;;) {
    auto stopped = hear_source();
    if (!stopped)
      return stopped.error();
    auto now = clock_.wall_us();
    if (*stopped && !asked_to_arm_)
      ask_to_arm();
    if (auto done = look_at_arming(); !done)
      return done;
    if (*stopped && armed_)
      return {};
    if (*stopped && !stopped_until)
      stopped_until = now + us(stopped_patience);
    if (stopped_until && now >= *stopped_until)
      return fault{errc::timeout, "the guest is stopped and not every host is ready to flip"};
    if (now >= deadline)
      return fault{errc::timeout, "the guest's RAM does not converge in time"};
    if (now - looked < look_interval_us)
      continue;
    looked = now;
    if (auto done = look_at_stream(); !done)
      return done;
  }
}

/// Whether QEMU waits before the switchover.
result<bool> vm_migration::hear_source() {
  auto got = source_.next_event(pace);
  if (!got)
    return got.error();
  if (*got)
    note(**got, true);
  if (auto ok = alive(); !ok)
    return ok.error();
  if (told_ == stream_state::failed || told_ == stream_state::canceled) {
    auto view = source_.stream();
    return fault{told_ == stream_state::failed ? errc::failed : errc::canceled,
                 view && !view->why.empty() ? "QEMU: " + view->why
                                            : "the migration was ended at the source's QEMU"};
  }
  return told_ == stream_state::pre_switchover;
}

result<void> vm_migration::look_at_stream() {
  auto view = source_.stream();
  if (!view)
    return view.error();
  // An event may have been lost with a former client of the monitor.
  if (view->state == stream_state::pre_switchover || view->state == stream_state::failed
      || view->state == stream_state::canceled)
    told_ = view->state;
  adjust_bandwidth(*view);
  auto rate = static_cast<double>(view->rate_bytes);
  bool near = rate > 0 && static_cast<double>(view->remaining_bytes) < rate * arm_ahead_s;
  if (!asked_to_arm_ && (near || pass_ >= 2))
    ask_to_arm();
  return {};
}

void vm_migration::adjust_bandwidth(const stream_view& view) {
  if (options_.tolerated <= 0)
    return;
  auto disks = source_.disks();
  if (!disks)
    return; // A QEMU that is gone shows elsewhere.
  ram_look now{clock_.wall_us(), view.sent_bytes, view.dirty_bytes, disks->transfers};
  if (auto limit = pace_.look(now))
    (void)source_.set_bandwidth(*limit);
}

/// The guest is stopped: all of them or none. QEMU sends the rest of its RAM meanwhile.
result<void> vm_migration::take_all() {
  for (auto& volume : volumes_)
    volume->ask_to_take();
  source_.ask_to_proceed();
  for (auto& volume : volumes_) {
    auto times = volume->take();
    if (!times)
      return fault{times.error().code, volume->name() + ": " + times.error().detail};
    drain_us_ = std::max(drain_us_, times->drain_us);
    promote_us_ = std::max(promote_us_, times->promote_us);
  }
  at_.taken = clock_.wall_us();
  // The last moment in which the guest can stay without anybody asking where it is. A source that
  // has died meanwhile is one reason more to go on.
  if (auto ok = alive(false); !ok)
    return ok;
  released_ = true;
  return was_running_ ? destination_.resume() : result<void>{};
}

result<void> vm_migration::switch_over() {
  if (auto done = source_.proceed(); !done) {
    // A QEMU that stays where it is has given the guest to nobody.
    if (auto now = source_.stream(); now && now->state == stream_state::pre_switchover)
      released_ = false;
    return done;
  }
  auto deadline = clock_.wall_us() + us(options_.switch_timeout);
  for (;;) {
    auto there = hear_switch();
    if (!there)
      return there.error();
    if (*there)
      break;
    if (clock_.wall_us() >= deadline)
      return fault{errc::timeout, "the guest does not run at the destination in time"};
  }
  if (was_running_ && requests_before_)
    await_first_request();
  return {};
}

/// Whether the guest has arrived, and runs if it ran before.
result<bool> vm_migration::hear_switch() {
  for (bool at_source : {true, false}) {
    auto got = (at_source ? source_ : destination_).next_event(1ms);
    // A source whose guest has left may go.
    if (!got && (!at_source || told_ != stream_state::completed))
      return got.error();
    if (got && *got)
      note(**got, at_source);
  }
  if (told_ == stream_state::failed || told_ == stream_state::canceled)
    return fault{errc::failed, "the migration failed in the switchover"};
  if (told_ != stream_state::completed)
    return false;
  if (!was_running_)
    return arrived_;
  if (at_.resume == 0 && arrived_) {
    // It was told to run in the moment in which it came in.
    auto there = destination_.guest();
    if (there && *there == guest_state::paused)
      if (auto done = destination_.resume(); !done)
        return done.error();
  }
  return at_.resume > 0;
}

void vm_migration::await_first_request() {
  auto deadline = clock_.wall_us() + us(first_request_patience);
  while (clock_.wall_us() < deadline) {
    auto now = destination_.disks();
    if (!now)
      return;
    if (now->requests > *requests_before_) {
      at_.first = clock_.wall_us();
      return;
    }
    clock_.sleep(1ms);
  }
}

/// Takes an event in. The smallest delay between an event and its arrival tells how far the clocks
/// of the two QEMUs' hosts are apart.
void vm_migration::note(const qmp::heard& x, bool at_source) {
  auto& what = x.what;
  auto at = what.at_us > 0 ? what.at_us : x.arrived_us;
  auto& lag = at_source ? source_lag_us_ : destination_lag_us_;
  lag = std::min(lag.value_or(x.arrived_us - at), x.arrived_us - at);
  if (!at_source) {
    arrived_ |= what.name == "MIGRATION" && what.status == "completed";
    if (what.name == "RESUME")
      at_.resume = at;
    return;
  }
  if (what.name == "STOP")
    at_.stop = at;
  if (what.name == "MIGRATION_PASS")
    pass_ = what.pass;
  if (what.name != "MIGRATION")
    return;
  constexpr std::pair<const char*, stream_state> states[] = {
      {"active", stream_state::active},       {"pre-switchover", stream_state::pre_switchover},
      {"device", stream_state::device},       {"completed", stream_state::completed},
      {"failed", stream_state::failed},       {"cancelled", stream_state::canceled},
      {"cancelling", stream_state::canceled},
  };
  for (auto [word, state] : states)
    if (what.status == word)
      told_ = state;
  if (told_ == stream_state::pre_switchover)
    at_.pre = at;
  if (told_ == stream_state::device)
    at_.device = at;
  if (told_ == stream_state::completed)
    at_.completed = at;
}

} // namespace foreshift
