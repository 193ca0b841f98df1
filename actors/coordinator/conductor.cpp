// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/conductor.hpp"

#include "actors/coordinator/catalog.hpp"
#include "actors/coordinator/migrator.hpp"
#include "core/base/log.hpp"

#include <fmt/format.h>

#include <charconv>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto heal_interval = 1s;

std::uint64_t number_in(std::string_view text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

} // namespace

conductor_state::conductor_state(interface::pointer self, conductor_parts around,
                                 const clock_source& clock, policy rules)
    : self_(self), around_(std::move(around)), clock_(clock), rules_(rules),
      limits_(rules.rates, clock.monotonic_ns()) {}

conductor_actor::behavior_type conductor_state::make_behavior() {
  recover();
  conductor_actor me{self_};
  self_->send(around_.catalog, subscribe{watcher_actor{me}});
  self_->send(around_.membership, subscribe{watcher_actor{me}});
  compat::send_later(self_, me, heal_interval, tick{});
  return {
      [this](const packet<schema::VolumeAttach>& x) { return attach(x); },
      [this](const packet<schema::VolumeDetach>& x) { return detach(x); },
      [this](const packet<schema::FlipStart>& x) { return flip(x); },
      [this](const packet<schema::MigrateStart>& x) { return migrate(x); },
      [this](const packet<schema::MigrateStep>& x) { return step(x); },
      [this](const packet<schema::CalibrationGet>&) { return calibration(); },
      [this](const packet<schema::TaskList>& x) { return book_.list(x.read().getAll()); },
      [this](const packet<schema::TaskShow>& x) { return show(x.read().getId()); },
      [this](const packet<schema::TaskCancel>& x) { return cancel(x.read().getId()); },
      [this](const packet<schema::HostDrain>& x) { return drain(x); },
      [this](const packet<schema::HostUndrain>& x) { return undrain(x); },
      [this](const packet<schema::HostRemove>& x) { return remove(x); },
      [this](const load_order& x) { return load(x); },
      [this](const section_left& x) { leave_section(x.run); },
      [this](const run_note& x) { noted(x); },
      [this](const run_ended& x) { run_over(x); },
      [this](const move_order& x) { return move(x); },
      [this](const retire_order& x) { return retire(x); },
      [this](const loss_order& x) { return lose(x); },
      [this](const return_order& x) { return bring_back(x); },
      [this](const relocate_order& x) { return relocate(x); },
      [this](const sweep_order& x) { return sweep_now(x); },
      [this](world_request) {
        return std::make_shared<const world>(world{volumes_, hosts_});
      },
      [this](const flip_order& x) { return flip_of(x); },
      [this](const announcer_actor& x) { herald_ = x; },
      [this](const wish_order& x) { grant(x); },
      [this](const run_due& x) { launch(x.run); },
      [this](const stop_moves& x) { cancel_moves(x.volume); },
      [this](const task_update& x) { update(x); },
      [this](const task_ended& x) { end_task(x.task, x.flip, x.why); },
      [this](activity_request) { return activity_now(); },
      [this](const volume_changed& x) { changed(x.now); },
      [this](const host_changed& x) { reported(x.now); },
      [this](tick) {
        heal();
        compat::send_later(self_, conductor_actor{self_}, heal_interval, tick{});
      },
  };
}

void conductor_state::recover() {
  self_->request(around_.authority, 30s, range_request{"tasks/"})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all)
              if (auto x = packet<schema::Task>::admit(as_bytes(record.value))) {
                auto known = decode_task(x->read());
                if (known.running())
                  orphans_.insert(known.id);
                book_.restore(std::move(known));
              }
            tell_board();
          },
          [this](const caf::error& why) { self_->quit(why); });
  self_->request(around_.authority, 30s, range_request{"ids/move"})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all)
              next_move_ = number_in(record.value);
            moves_reserved_ = next_move_;
            reserve_move_ids();
          },
          [this](const caf::error& why) { self_->quit(why); });
  self_->request(around_.authority, 30s, range_request{std::string{gone_key_prefix}})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all)
              erased_.insert(number_in(record.key.substr(gone_key_prefix.size())));
          },
          [this](const caf::error& why) { self_->quit(why); });
}

/// What every task needs first: a volume that no other task holds.
result<task> conductor_state::prepare_task(schema::TaskKind kind, const std::string& volume,
                                           const std::string& to) {
  auto at = names_.find(volume);
  if (at == names_.end())
    return fault{errc::not_found, fmt::format("no volume named '{}'", volume)};
  auto& facts = volumes_.at(at->second)->facts;
  if (auto* other = book_.running_of(at->second))
    return fault{errc::busy, fmt::format("task {} is at work on volume '{}'", other->id, volume)};
  if (facts.lease.prepared.id != 0)
    return fault{errc::busy, fmt::format("task {} is changing the lease of volume '{}'",
                                         facts.lease.prepared.id, volume)};
  task x;
  x.kind = kind;
  x.volume = at->second;
  x.name = volume;
  x.from = facts.lease.holder;
  x.to = to;
  return x;
}

result<void> conductor_state::check_destination(const std::string& to) const {
  auto at = hosts_.find(to);
  if (at == hosts_.end())
    return fault{errc::not_found, fmt::format("no host named '{}'", to)};
  if (!at->second->up)
    return fault{errc::precondition, fmt::format("host '{}' is down", to)};
  if (at->second->draining)
    return fault{errc::precondition, fmt::format("host '{}' is being drained", to)};
  return {};
}

task& conductor_state::open_task(task x) {
  x.started_ms = clock_.wall_ms();
  auto& opened = book_.add(std::move(x));
  save(opened);
  return opened;
}

/// For verbs that answer when their task has ended.
conductor_state::task_promise conductor_state::run_to_end(result<task> x, bool forced) {
  auto reply = self_->make_response_promise<packet<schema::Task>>();
  if (!x) {
    reply.deliver(to_caf(x.error()));
    return reply;
  }
  auto& opened = open_task(*std::move(x));
  waiters_[opened.id].push_back(reply);
  start_flip(opened, forced ? flip_kind::forced : flip_kind::plain,
             [this, id = opened.id](finish_ptr how) { end_task(id, how, how->why); });
  return reply;
}

conductor_state::task_promise conductor_state::attach(const packet<schema::VolumeAttach>& x) {
  std::string to = x.read().getHost().cStr();
  auto made = prepare_task(schema::TaskKind::ATTACH, x.read().getName().cStr(), to);
  if (made && !made->from.empty())
    made = fault{errc::precondition, fmt::format("volume '{}' is already attached at host '{}'",
                                                 made->name, made->from)};
  if (auto ok = check_destination(to); made && !ok)
    made = ok.error();
  return run_to_end(std::move(made), x.read().getForce());
}

conductor_state::task_promise conductor_state::detach(const packet<schema::VolumeDetach>& x) {
  auto made = prepare_task(schema::TaskKind::DETACH, x.read().getName().cStr(), "");
  if (made && made->from.empty())
    made = fault{errc::precondition, fmt::format("volume '{}' is not attached", made->name)};
  return run_to_end(std::move(made), x.read().getForce());
}

conductor_state::task_promise conductor_state::flip(const packet<schema::FlipStart>& x) {
  std::string to = x.read().getTo().cStr();
  auto made = prepare_task(schema::TaskKind::FLIP, x.read().getVolume().cStr(), to);
  if (auto ok = check_destination(to); made && !ok)
    made = ok.error();
  if (made && made->from == to)
    made = fault{errc::precondition,
                 fmt::format("volume '{}' is already attached at host '{}'", made->name, to)};
  return run_to_end(std::move(made), x.read().getForce());
}

caf::result<packet<schema::Task>> conductor_state::migrate(const packet<schema::MigrateStart>& x) {
  auto want = x.read();
  std::string to = want.getTo().cStr();
  auto made = prepare_task(schema::TaskKind::MIGRATE, want.getVolume().cStr(), to);
  if (!made)
    return to_caf(made.error());
  if (auto ok = check_destination(to); !ok)
    return to_caf(ok.error());
  if (made->from.empty())
    return to_caf(
        fault{errc::precondition,
              fmt::format("volume '{}' is not attached; attach it at host '{}'", made->name, to)});
  if (made->from == to)
    return to_caf(fault{errc::precondition, fmt::format("volume '{}' is already attached at host "
                                                        "'{}'",
                                                        made->name, to)});
  if (!(want.getGate() >= 0 && want.getGate() <= 1))
    return to_caf(fault{errc::invalid, "the gate is a share between 0 and 1"});
  made->gate = want.getGate();
  made->held = want.getHeld();
  auto& opened = open_task(*std::move(made));
  migration_order order;
  order.task = opened.id;
  order.volume = opened.volume;
  order.to = to;
  order.gate = opened.gate;
  order.preposition = !want.getNoPreposition();
  order.held = opened.held;
  order.timeout = std::chrono::milliseconds{want.getTimeoutMs()};
  auto driver = self_->home_system().spawn<migrator>(conductor_actor{self_}, around_.board, clock_,
                                                     rules_, order);
  migrators_[opened.id] = driver;
  if (opened.held)
    held_tasks_[opened.id].prospect = {0, rules_.rates.of_one(), want.getRamBytes(),
                                       want.getBandwidthBytes()};
  book_.enter(opened, "preposition", clock_.wall_ms(), clock_.monotonic_ns());
  self_->send(driver, tick{});
  note("info", fmt::format("task {}", opened.id),
       fmt::format("migrates volume {} from {} to {}", opened.name, opened.from, opened.to));
  return encode(opened);
}

/// Nobody waits for an answer: the wish is repeated as long as it stands.
void conductor_state::grant(const wish_order& x) {
  auto at = volumes_.find(x.volume);
  if (at == volumes_.end() || at->second->facts.lease.holder.empty()
      || at->second->facts.lease.holder == x.to || !check_destination(x.to))
    return;
  auto made = prepare_task(schema::TaskKind::FLIP, at->second->name(), x.to);
  if (!made) {
    slog::info("the wish of host {} for volume {} waits: {}", x.to, at->second->name(),
               made.error().detail);
    return;
  }
  made->implicit = true;
  auto& opened = open_task(*std::move(made));
  note("info", fmt::format("task {}", opened.id),
       fmt::format("a client at host {} writes to volume {} and takes its lease from host {}",
                   opened.to, opened.name, opened.from));
  start_flip(opened, flip_kind::yielding,
             [this, id = opened.id](finish_ptr how) { end_task(id, how, how->why); });
}

caf::result<packet<schema::Task>> conductor_state::show(std::uint64_t id) {
  if (auto* x = book_.find(id))
    return encode(*x);
  return to_caf(fault{errc::not_found, fmt::format("no task {}", id)});
}

caf::result<packet<schema::Task>> conductor_state::cancel(std::uint64_t id) {
  auto* x = book_.find(id);
  if (!x)
    return to_caf(fault{errc::not_found, fmt::format("no task {}", id)});
  if (!x->running())
    return to_caf(fault{errc::precondition, fmt::format("task {} has ended already", id)});
  x->cancel_requested = true;
  if (auto driver = migrators_.find(id); driver != migrators_.end())
    self_->send(driver->second, run_cancel{});
  for (auto& [run_id, one] : runs_)
    if (one.kind == run_kind::flip && one.task == id && one.actor)
      self_->send(one.actor, run_cancel{});
  return encode(*x);
}

} // namespace foreshift::control
