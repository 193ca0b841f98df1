// SPDX-License-Identifier: Apache-2.0
// The conductor's broom: what crashes and lost messages leave behind comes to a clean end.
#include "actors/coordinator/conductor.hpp"
#include "core/base/log.hpp"
#include "core/base/units.hpp"
#include "core/lease/move_machine.hpp"
#include "core/lease/requests.hpp"
#include "core/lease/retire_machine.hpp"
#include "core/lease/sweep_machine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto tell_timeout = 3s;
constexpr auto facts_timeout = 10s;

/// A report may be older than the last lease change: only several in a row count.
constexpr int suspicions_max = 3;

constexpr auto sweep_interval = 60s;

} // namespace

void conductor_state::changed(const volume_ptr& now) {
  book_.seen(now->facts.lease.prepared.id);
  if (auto former = volumes_.find(now->id()); former != volumes_.end()) {
    auto& lease = former->second->facts.lease;
    held_[lease.holder].erase(now->id());
    if (lease.held_epoch != now->facts.lease.held_epoch)
      suspicions_.erase(now->id()); // they were of an epoch that has passed
  }
  if (!now->erased)
    held_[now->facts.lease.holder].insert(now->id());
  if (now->erased) {
    volumes_.erase(now->id());
    names_.erase(now->name());
    sections_.erase(now->id());
    suspicions_.erase(now->id());
    erased_.insert(now->id());
    return;
  }
  volumes_[now->id()] = now;
  names_[now->name()] = now->id();
}

void conductor_state::reported(const host_ptr& now) {
  auto& host = now->address.name;
  if (now->dropped) {
    hosts_.erase(host);
    return;
  }
  auto former = hosts_.find(host);
  bool fresh = former == hosts_.end() || former->second->reports != now->reports;
  alarm(former == hosts_.end() ? nullptr : former->second, *now);
  hosts_[host] = now;
  if (!fresh || !now->up || now->report.read().getPlane().getPid() == 0)
    return;
  for (auto row : now->report.read().getPlane().getVolumes())
    check_row(*now, row);
  std::vector<std::uint64_t> lost;
  for (auto id : held_[host])
    if (misses_lease(*now, *volumes_.at(id)) && ++suspicions_[id] >= suspicions_max)
      lost.push_back(id);
  for (auto id : lost) {
    suspicions_.erase(id);
    reattach(*volumes_.at(id));
  }
}

/// Whether the holder's report says that it does not serve what the record says it holds.
bool conductor_state::misses_lease(const host_entry& host, const volume_entry& volume) {
  auto& lease = volume.facts.lease;
  schema::PlaneVolume::Reader row;
  bool holds = find_volume(host, volume.id(), row) && row.getState() == schema::LeaseState::PRIMARY
               && row.getEpoch() == lease.held_epoch;
  if (holds || flipping(volume.id()) || lease.prepared.id != 0) {
    suspicions_.erase(volume.id());
    return false;
  }
  return true;
}

void conductor_state::check_row(const host_entry& host, schema::PlaneVolume::Reader row) {
  auto& where = host.address.name;
  auto at = volumes_.find(row.getId());
  auto state = row.getState();
  bool active = state == schema::LeaseState::PRIMARY || state == schema::LeaseState::STANDBY
                || state == schema::LeaseState::DRAINING;
  if (at == volumes_.end()) {
    // It may have been out of reach when its lease was taken from it, and the volume deleted.
    if (erased_.contains(row.getId()))
      tell(where,
           active ? lease::release(row.getId(), row.getEpoch()) : lease::forget(row.getId()));
    return;
  }
  auto& facts = at->second->facts;
  if (flipping(row.getId()) || facts.lease.prepared.id != 0)
    return;
  if (active && facts.lease.holder != where)
    tell(where, lease::release(row.getId(), row.getEpoch()));
  for (auto move : row.getMoves()) {
    bool running =
        std::any_of(runs_.begin(), runs_.end(), [&](auto& x) { return x.second.move == move; });
    if (!running && !facts.moves.contains(move))
      tell(where, lease::abort_staged(row.getId(), move));
  }
  if (row.getDoubt() != 0)
    settle_doubt(where, row);
  else if (row.getExtentsPresent() > 0)
    sweep(where, row.getId());
}

/// Now and then, while nothing else is done with the volume: what is kept for no reason is freed.
void conductor_state::sweep(const std::string& host, std::uint64_t volume) {
  auto [at, first] = swept_ns_.try_emplace({host, volume}, clock_.monotonic_ns());
  bool due = clock_.monotonic_ns() - at->second >= std::chrono::nanoseconds{sweep_interval}.count();
  if (first || !due || moving(volume))
    return;
  at->second = clock_.monotonic_ns();
  launch_sweep(host, volume, [](const finish_ptr&) {});
}

void conductor_state::launch_sweep(const std::string& host, std::uint64_t volume,
                                   std::function<void(finish_ptr)> then) {
  run made;
  made.kind = run_kind::sweep;
  made.volume = volume;
  made.then = [this, host, volume, then = std::move(then)](finish_ptr how) {
    if (auto known = volumes_.find(volume); how->bytes > 0 && known != volumes_.end())
      note("warning", "volume " + known->second->name(),
           fmt::format("freed orphaned extents at host {}: {}", host, format_bytes(how->bytes)));
    then(how);
  };
  launch(open_run(std::move(made),
                  std::make_unique<lease::sweep_machine>(lease::sweep_request{volume, host})));
}

void conductor_state::tell(const std::string& host, door::envelope request) {
  self_
      ->request(around_.membership, tell_timeout + 1s,
                relay{host, sealed{std::move(request)}, tell_timeout})
      .then([](const sealed&) {},
            [host](const caf::error& why) {
              slog::debug("host {} was not told: {}", host, to_fault(why).detail);
            });
}

void conductor_state::heal() {
  for (auto id : std::vector<std::uint64_t>{orphans_.begin(), orphans_.end()})
    close_orphan(id);
  for (auto& [id, volume] : volumes_)
    heal(*volume);
}

/// One step a volume and round: an interrupted flip first, then moves, then retirements.
void conductor_state::heal(const volume_entry& x) {
  auto id = x.id();
  if (flipping(id))
    return;
  run made;
  made.volume = id;
  if (x.facts.lease.prepared.id != 0) {
    made.kind = run_kind::flip;
    made.task = x.facts.lease.prepared.id;
    made.then = [this, owner = made.task](finish_ptr how) {
      if (!how->resume_later)
        end_task(owner, how, how->why);
    };
    lease::flip_request request;
    request.task = made.task;
    request.volume = id;
    request.timeout = rules_.flip_timeout;
    launch(open_run(std::move(made), std::make_unique<lease::flip_machine>(request)));
    return;
  }
  for (auto& [move, stored] : x.facts.moves) {
    if (std::any_of(runs_.begin(), runs_.end(),
                    [&, which = move](auto& y) { return y.second.move == which; }))
      continue;
    run one;
    one.kind = run_kind::move;
    one.volume = id;
    one.move = move;
    one.from = stored.record.source;
    one.to = stored.record.destination;
    launch(open_run(std::move(one), lease::move_machine::resume(stored.record)));
  }
  if (may_retire(x) && !moving(id)) {
    made.kind = run_kind::retire;
    lease::retire_request request{id, "", {}};
    launch(open_run(std::move(made), std::make_unique<lease::retire_machine>(request)));
  }
}

/// Whether a host that has something to give up can be told.
bool conductor_state::may_retire(const volume_entry& x) const {
  for (auto& [names, extents] : x.facts.placement.retiring())
    for (auto& one : names)
      if (auto at = hosts_.find(one); at != hosts_.end() && at->second->up)
        return true;
  return false;
}

/// A task of a former process: its flip, if prepared, is being resumed; anything else is over.
void conductor_state::close_orphan(std::uint64_t task) {
  auto* x = book_.find(task);
  if (!x || !x->running()) {
    orphans_.erase(task);
    return;
  }
  if (x->kind == schema::TaskKind::DRAIN || x->kind == schema::TaskKind::REMOVE) {
    orphans_.erase(task);
    drive(*x);
    return;
  }
  auto over = [this, task](const std::optional<lease::lease_record>& lease) {
    if (lease && lease->prepared.id == task)
      return;
    auto* owner = book_.find(task);
    if (!orphans_.erase(task) || !owner)
      return;
    // The commit may have been the last thing that the former process did.
    bool arrived = lease && lease->holder == owner->to && owner->kind != schema::TaskKind::BALANCE;
    std::optional<fault> why;
    if (!arrived)
      why = fault{errc::failed, "the coordinator restarted; the volume stays where it was"};
    end_task(task, nullptr, why);
  };
  self_->request(around_.catalog, facts_timeout, facts_request{x->volume})
      .then([over](const facts_ptr& facts) { over(facts->lease); },
            [over](const caf::error& why) {
              if (to_fault(why).code == errc::not_found)
                over(std::nullopt);
            });
}

/// The holder's data plane lost the lease (a crash took its memory): promote it afresh.
void conductor_state::reattach(const volume_entry& x) {
  if (book_.running_of(x.id()))
    return;
  task again;
  again.kind = schema::TaskKind::ATTACH;
  again.volume = x.id();
  again.name = x.name();
  again.from = x.facts.lease.holder;
  again.to = x.facts.lease.holder;
  auto& opened = open_task(std::move(again));
  note("warning", "volume " + x.name(),
       fmt::format("host {} does not serve its lease any more; promoting it again", opened.to));
  start_flip(opened, flip_kind::reattach,
             [this, id = opened.id](finish_ptr how) { end_task(id, how, how->why); });
}

} // namespace foreshift::control
