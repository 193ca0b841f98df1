// SPDX-License-Identifier: Apache-2.0
// The conductor's tasks: progress and end.
#include "actors/coordinator/conductor.hpp"

#include "core/base/log.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto store_timeout = 30s;
constexpr auto carry_timeout = 2s;
constexpr std::int64_t rate_window_ns = 5'000'000'000;

std::string subject(std::uint64_t id) {
  return fmt::format("task {}", id);
}

} // namespace

void conductor_state::start_flip(task& x, flip_kind kind, std::function<void(finish_ptr)> then) {
  lease::flip_request request;
  request.task = x.id;
  request.volume = x.volume;
  request.to = x.to;
  request.forced = kind == flip_kind::forced;
  request.reattach = kind == flip_kind::reattach;
  request.held = kind == flip_kind::held;
  if (kind == flip_kind::yielding)
    request.quiet = rules_.quiet;
  request.timeout = rules_.flip_timeout;
  run made;
  made.kind = run_kind::flip;
  made.volume = x.volume;
  made.task = x.id;
  made.then = std::move(then);
  carry_forecast(x);
  launch(open_run(std::move(made), std::make_unique<lease::flip_machine>(request)));
}

/// The forecaster's memory goes ahead of the lease. Losing it costs predictions, nothing else.
void conductor_state::carry_forecast(const task& x) {
  if (x.from.empty() || x.to.empty() || x.from == x.to)
    return;
  auto take = packet<schema::ForecastTake>::make([&](auto out) { out.setVolume(x.volume); });
  self_
      ->request(around_.membership, carry_timeout + 1s,
                relay{x.from, sealed{door::wrap(take)}, carry_timeout})
      .then(
          [this, to = x.to](const sealed& got) {
            auto state = door::unwrap<schema::ForecastState>(*got);
            if (!state)
              return;
            tell(to, door::wrap(packet<schema::ForecastCarry>::make(
                         [&](auto out) { out.setState(state->read()); })));
          },
          [id = x.id](const caf::error& why) {
            slog::info("task {} goes on without the forecaster's memory: {}", id,
                       to_fault(why).detail);
          });
}

/// The phases of a flip that a migration asked for, or a plain flip's.
void conductor_state::noted(const run_note& x) {
  auto at = runs_.find(x.run);
  if (at == runs_.end() || at->second.task == 0)
    return;
  auto* owner = book_.find(at->second.task);
  if (!owner || !owner->running())
    return;
  // A roll-back commits too, but not after a takeover.
  bool taken = owner->phase == "takeover" && x.phase == "commit";
  book_.enter(*owner, x.phase, clock_.wall_ms(), clock_.monotonic_ns());
  if (auto held = held_tasks_.find(owner->id); held != held_tasks_.end()) {
    held->second.armed |= x.phase == "armed";
    held->second.taken |= taken;
    if (taken)
      owner->flip = x.times;
    answer_steps(*owner);
  }
}

caf::result<finish_ptr> conductor_state::flip_of(const flip_order& x) {
  auto* owner = book_.find(x.task);
  if (!owner || !owner->running())
    return to_caf(fault{errc::not_found, fmt::format("no running task {}", x.task)});
  owner->coverage_at_flip = owner->coverage;
  auto reply = self_->make_response_promise<finish_ptr>();
  auto kind = x.held ? flip_kind::held : flip_kind::plain;
  start_flip(*owner, kind, [reply](finish_ptr how) mutable { reply.deliver(how); });
  if (owner->cancel_requested)
    for (auto& [id, one] : runs_)
      if (one.task == x.task && one.actor)
        self_->send(one.actor, run_cancel{});
  return reply;
}

void conductor_state::update(const task_update& x) {
  auto* owner = book_.find(x.task);
  if (!owner || !owner->running())
    return;
  owner->bytes_moved = std::max(owner->bytes_moved, x.bytes_moved);
  if (owner->volume != 0 && flipping(owner->volume))
    return;
  book_.enter(*owner, x.phase, clock_.wall_ms(), clock_.monotonic_ns());
  owner->coverage = x.coverage;
  owner->bytes_planned = x.bytes_planned;
  owner->eta_ms = x.eta_ms;
  if (owner->held)
    promise(*owner, x.bytes_planned);
}

void conductor_state::end_task(std::uint64_t id, const finish_ptr& flipped,
                               const std::optional<fault>& why) {
  auto* x = book_.find(id);
  if (!x || !x->running())
    return;
  migrators_.erase(id);
  orphans_.erase(id);
  if (flipped) {
    x->epoch = flipped->epoch;
    x->flip = flipped->times;
    if (!flipped->why && flipped->times.total_us > 0 && !x->from.empty() && !x->to.empty())
      self_->send(around_.board, flip_measured{flipped->times.total_us});
    last_.migrate_ms = x->started_ms;
    last_.migrate_us = flipped->times.total_us;
  }
  book_.end(*x, why, clock_.wall_ms(), clock_.monotonic_ns());
  save(*x);
  answer_steps(*x);
  held_tasks_.erase(id);
  if (x->volume != 0)
    tell_board();
  if (why)
    note(why->code == errc::canceled ? "info" : "warning", subject(id),
         fmt::format("{}: {}", x->volume == 0 ? "host " + x->from : "volume " + x->name,
                     why->code == errc::canceled ? why->detail : to_string(*why)));
  else if (x->volume == 0)
    note("info", subject(id),
         fmt::format("host {} {}", x->from,
                     x->kind == schema::TaskKind::REMOVE ? "is forgotten" : "is drained"));
  else if (x->to.empty())
    note("info", subject(id), fmt::format("volume {} is detached from {}", x->name, x->from));
  else
    note("info", subject(id),
         fmt::format("volume {} is attached at {} epoch={} takeover={} moved={}", x->name, x->to,
                     x->epoch, format_duration(std::chrono::microseconds{x->flip.total_us}),
                     format_bytes(x->bytes_moved)));
  auto answer = encode(*x);
  auto waiting = waiters_.extract(id);
  if (waiting)
    for (auto& reply : waiting.mapped())
      reply.deliver(answer);
}

/// What promises and likely targets rest on.
void conductor_state::tell_board() const {
  self_->send(around_.board,
              pasts_ptr{std::make_shared<const std::vector<vm_past>>(book_.vm_pasts())});
  self_->send(
      around_.board,
      visits_ptr{std::make_shared<const std::map<std::uint64_t, visit_counts>>(book_.visits())});
}

void conductor_state::save(const task& x) {
  std::vector<store_op> ops;
  ops.push_back({task_key(x.id), lease::to_value(encode(x))});
  for (auto gone : book_.prune())
    ops.push_back({task_key(gone), std::nullopt});
  auto txn = std::make_shared<const txn_request>(txn_request{{}, std::move(ops)});
  self_->request(around_.authority, store_timeout, txn_ptr{txn})
      .then([](std::uint64_t) {},
            [id = x.id](const caf::error& why) {
              slog::error("task {} is not stored: {}", id, to_fault(why).detail);
            });
}

void conductor_state::note(std::string level, std::string about, std::string text) {
  self_->send(around_.events, event_note{std::move(level), std::move(about), std::move(text)});
}

activity conductor_state::activity_now() const {
  auto now = last_;
  now.tasks_running = static_cast<std::uint32_t>(book_.running().size());
  std::uint64_t bytes = 0;
  for (auto& [at_ns, amount] : moved_)
    if (clock_.monotonic_ns() - at_ns <= rate_window_ns)
      bytes += amount;
  now.move_bytes_per_second = bytes * 1'000'000'000 / rate_window_ns;
  return now;
}

} // namespace foreshift::control
