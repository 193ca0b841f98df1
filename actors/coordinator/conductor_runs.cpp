// SPDX-License-Identifier: Apache-2.0
// The conductor's machines: starting, ordering and stopping them.
#include "actors/coordinator/conductor.hpp"
#include "actors/coordinator/runner.hpp"
#include "core/base/log.hpp"
#include "core/lease/move_machine.hpp"
#include "core/lease/retire_machine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto store_timeout = 30s;
constexpr auto facts_timeout = 30s;
constexpr std::uint64_t move_ids_block = 1024;
constexpr std::uint64_t move_ids_margin = 256;
constexpr std::size_t moved_kept_max = 1000;

/// "canceled" and the like need no code before them.
std::string said(const fault& why) {
  return why.code == errc::canceled ? why.detail : to_string(why);
}

} // namespace

const char* conductor_state::name_of(run_kind kind) {
  constexpr const char* names[] = {"flip", "move", "retirement", "removal of a replica", "sweep"};
  return names[static_cast<int>(kind)];
}

std::uint64_t conductor_state::open_run(run x, std::unique_ptr<lease::machine> what) {
  auto id = ++last_run_;
  x.waiting = std::move(what);
  runs_[id] = std::move(x);
  return id;
}

void conductor_state::launch(std::uint64_t id) {
  auto at = runs_.find(id);
  if (at == runs_.end() || !at->second.waiting)
    return;
  auto& x = at->second;
  x.began_ms = clock_.wall_ms();
  x.began_ns = clock_.monotonic_ns();
  runner_parts around{conductor_actor{self_}, around_.catalog, around_.membership};
  x.actor = self_->home_system().spawn<runner>(around, id, x.volume, std::move(x.waiting));
  self_->send(x.actor, tick{});
}

void conductor_state::run_over(const run_ended& x) {
  auto node = runs_.extract(x.run);
  if (!node)
    return;
  leave_section(x.run);
  auto& ended = node.mapped();
  if (ended.kind == run_kind::move) {
    moved_.emplace_back(clock_.monotonic_ns(), x.how->bytes);
    if (moved_.size() > moved_kept_max)
      moved_.pop_front();
    last_.execute_ms = ended.began_ms;
    last_.execute_us = static_cast<std::uint64_t>(clock_.monotonic_ns() - ended.began_ns) / 1000;
  }
  if (x.how->why && ended.kind != run_kind::flip)
    slog::info("a {} of volume {} ended: {}", name_of(ended.kind), ended.volume, said(*x.how->why));
  if (ended.then)
    ended.then(x.how);
  check_settled(ended.volume);
}

bool conductor_state::moving(std::uint64_t volume) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](auto& x) {
    return x.second.volume == volume && x.second.kind != run_kind::flip;
  });
}

bool conductor_state::flipping(std::uint64_t volume) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](auto& x) {
    return x.second.volume == volume && x.second.kind == run_kind::flip;
  });
}

void conductor_state::cancel_runs(std::uint64_t volume,
                                  const std::function<bool(const run&)>& which) {
  std::vector<std::uint64_t> unborn;
  for (auto& [id, x] : runs_) {
    if (x.volume != volume || x.kind == run_kind::flip || !which(x))
      continue;
    if (x.actor)
      self_->send(x.actor, run_cancel{});
    else
      unborn.push_back(id);
  }
  lease::finish stopped;
  stopped.why = fault{errc::canceled, "canceled"};
  for (auto id : unborn)
    run_over({id, std::make_shared<const lease::finish>(stopped)});
}

void conductor_state::cancel_moves(std::uint64_t volume) {
  cancel_runs(volume, [](const run&) { return true; });
}

caf::result<facts_ptr> conductor_state::load(const load_order& x) {
  auto at = runs_.find(x.run);
  if (at == runs_.end())
    return to_caf(fault{errc::canceled, "this run has ended"});
  auto volume = at->second.volume;
  auto reply = self_->make_response_promise<facts_ptr>();
  if (x.kind == lease::load_kind::settle) {
    cancel_moves(volume);
    sections_[volume].settling.emplace_back(x.run, reply);
    check_settled(volume);
  } else if (x.kind == lease::load_kind::enter) {
    auto& here = sections_[volume];
    if (here.owner == 0 || here.owner == x.run) {
      here.owner = x.run;
      deliver_facts(volume, reply);
    } else {
      here.queue.emplace_back(x.run, reply);
    }
  } else {
    deliver_facts(volume, reply);
  }
  return reply;
}

void conductor_state::deliver_facts(std::uint64_t volume, facts_promise reply) {
  self_->request(around_.catalog, facts_timeout, facts_request{volume})
      .then([reply](const facts_ptr& facts) mutable { reply.deliver(facts); },
            [reply](const caf::error& why) mutable { reply.deliver(why); });
}

void conductor_state::check_settled(std::uint64_t volume) {
  auto at = sections_.find(volume);
  if (at == sections_.end() || moving(volume))
    return;
  for (auto& [who, reply] : std::exchange(at->second.settling, {}))
    deliver_facts(volume, reply);
}

void conductor_state::leave_section(std::uint64_t who) {
  for (auto& [volume, here] : sections_) {
    std::erase_if(here.queue, [&](auto& x) { return x.first == who; });
    std::erase_if(here.settling, [&](auto& x) { return x.first == who; });
    if (here.owner != who)
      continue;
    here.owner = 0;
    if (here.queue.empty())
      continue;
    auto [next, reply] = here.queue.front();
    here.queue.pop_front();
    here.owner = next;
    deliver_facts(volume, reply);
  }
}

/// Ids are reserved in the store ahead of their use, so that none is ever given out twice; none
/// while the reservation is not known to be durable.
std::optional<std::uint64_t> conductor_state::take_move_id() {
  if (next_move_ + move_ids_margin >= moves_reserved_)
    reserve_move_ids();
  if (next_move_ >= moves_reserved_)
    return std::nullopt;
  return next_move_++;
}

void conductor_state::reserve_move_ids() {
  if (std::exchange(reserving_, true))
    return;
  auto end = next_move_ + move_ids_block;
  std::vector<store_op> ops;
  ops.push_back({"ids/move", std::to_string(end)});
  auto txn = std::make_shared<const txn_request>(txn_request{{}, std::move(ops)});
  self_->request(around_.authority, store_timeout, txn_ptr{txn})
      .then(
          [this, end](std::uint64_t) {
            reserving_ = false;
            moves_reserved_ = end;
          },
          [this](const caf::error& why) {
            reserving_ = false;
            slog::error("move ids are not reserved: {}", to_fault(why).detail);
          });
}

caf::result<finish_ptr> conductor_state::move(const move_order& x) {
  auto reply = self_->make_response_promise<finish_ptr>();
  auto ok = start_move(x, [reply](finish_ptr how) mutable { reply.deliver(std::move(how)); });
  if (!ok)
    reply.deliver(to_caf(ok.error()));
  return reply;
}

result<void> conductor_state::start_move(const move_order& x,
                                         std::function<void(finish_ptr)> then) {
  auto at = volumes_.find(x.volume);
  if (at == volumes_.end())
    return fault{errc::not_found, fmt::format("no volume with id {}", x.volume)};
  if (flipping(x.volume))
    return fault{errc::busy, "the lease is changing hands"};
  if (x.background && book_.running_of(x.volume))
    return fault{errc::busy, "a task is at work on the volume"};
  auto id = take_move_id();
  if (!id)
    return fault{errc::busy, "move ids are being reserved"};
  lease::move_request request;
  request.id = *id;
  request.volume = x.volume;
  request.source = x.source;
  request.destination = x.destination;
  request.extents = x.extents;
  request.rate_bytes = rules_.rates.of_one();
  request.resync = x.resync;
  run made;
  made.kind = run_kind::move;
  made.volume = x.volume;
  made.move = request.id;
  made.from = x.source;
  made.to = x.destination;
  auto pay = [this, volume = x.volume, from = x.source, to = x.destination](double bytes) {
    return limits_.take(bytes, volume, from, to, clock_.monotonic_ns());
  };
  made.then = [pay, then = std::move(then), resync = x.resync](finish_ptr how) {
    // How much a resync copies is known afterwards: the next move waits for it.
    if (resync)
      (void)pay(static_cast<double>(how->bytes));
    then(std::move(how));
  };
  auto wait =
      pay(x.resync ? 0.0 : double(x.extents.size()) * at->second->facts.shape().extent_bytes);
  auto opened =
      open_run(std::move(made), std::make_unique<lease::move_machine>(std::move(request)));
  if (wait.count() == 0)
    launch(opened);
  else
    compat::send_later(self_, conductor_actor{self_}, wait, run_due{opened});
  return {};
}

caf::result<finish_ptr> conductor_state::retire(const retire_order& x) {
  if (flipping(x.volume) || book_.running_of(x.volume))
    return to_caf(fault{errc::busy, "a task is at work on the volume"});
  auto reply = self_->make_response_promise<finish_ptr>();
  run made;
  made.kind = run_kind::retire;
  made.volume = x.volume;
  made.then = [reply](finish_ptr how) mutable { reply.deliver(how); };
  lease::retire_request request{x.volume, x.host, x.extents, x.gone};
  launch(open_run(std::move(made), std::make_unique<lease::retire_machine>(std::move(request))));
  return reply;
}

} // namespace foreshift::control
