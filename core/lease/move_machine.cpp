// SPDX-License-Identifier: Apache-2.0
#include "core/lease/move_machine.hpp"

#include "core/base/planted.hpp"
#include "core/lease/repair.hpp"
#include "core/lease/requests.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/plane.capnp.h"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::lease {

namespace {

constexpr int adopt_attempts_after_cancel = 3;
constexpr std::chrono::milliseconds barrier_timeout{10'000};

result<void> bare(const result<door::envelope>& what) {
  return what ? result<void>{} : result<void>{what.error()};
}

bool never_commits(const fault& why) {
  return why.code == errc::precondition || why.code == errc::refused;
}

bool not_primary(const fault& why) {
  return why.code == errc::refused || why.code == errc::precondition || why.code == errc::not_found;
}

} // namespace

move_machine::move_machine(move_request request) : request_(std::move(request)) {
  record_ = {request_.id,      request_.volume, 0, request_.source, request_.destination,
             request_.extents, false,           0, request_.resync};
}

move_machine::move_machine(const move_record& record) : resumed_(true), record_(record) {}

std::unique_ptr<move_machine> move_machine::resume(const move_record& record) {
  return std::unique_ptr<move_machine>{new move_machine{record}};
}

script<finish> move_machine::run() {
  if (resumed_) {
    if (record_.committed)
      co_return co_await forward();
    fault lost{errc::failed, "the coordinator restarted during the move"};
    co_return co_await abort(lost);
  }
  auto begun = co_await begin();
  if (!begun) {
    if (facts_ && facts_->moves.contains(record_.id))
      co_return co_await abort(begun.error());
    co_return ended(begun.error());
  }
  auto copied = co_await copy();
  if (!copied)
    co_return co_await abort(copied.error());
  auto published = co_await publish();
  if (!published && record_.committed)
    co_return ended(published.error());
  if (!published)
    co_return co_await abort(published.error());
  co_return co_await forward();
}

/// Notes the move durably, before any host does anything for it.
script<result<void>> move_machine::begin() {
  auto seen = co_await read(load_kind::look);
  if (!seen)
    co_return seen.error();
  facts_ = *std::move(seen);
  if (facts_->lease.prepared.id != 0)
    co_return fault{errc::busy, "the lease is changing hands"};
  for (auto extent : record_.extents)
    if (!facts_->placement.holds(record_.source, extent))
      co_return fault{errc::precondition,
                      fmt::format("extent {} is not at host {}", extent, record_.source)};
  for (auto& [hosts, extents] : facts_->placement.retiring())
    if (std::find(hosts.begin(), hosts.end(), record_.destination) != hosts.end())
      for (auto extent : record_.extents)
        if (extents.contains(extent))
          co_return fault{errc::busy, fmt::format("extent {} is still being retired at host {}",
                                                  extent, record_.destination)};
  auto lost = facts_->placement.lost().find(record_.destination);
  if (record_.resync)
    for (auto extent : record_.extents)
      if (lost == facts_->placement.lost().end() || !lost->second.extents.contains(extent))
        co_return fault{errc::precondition, fmt::format("host {} has no extent {} to get back",
                                                        record_.destination, extent)};
  lease_revision_ = facts_->lease_revision;
  record_.epoch = facts_->lease.held_epoch;
  record_.map_version = facts_->placement.version();
  std::vector<compare> compares;
  compares.push_back({lease_key(record_.volume), lease_revision_});
  compares.push_back({move_key(record_.id), 0});
  std::vector<store_op> ops;
  ops.push_back({move_key(record_.id), to_value(record_)});
  auto stored = co_await transact(std::move(compares), std::move(ops));
  if (stored) {
    facts_->moves[record_.id] = {record_, *stored};
    co_return result<void>{};
  }
  auto again = co_await read(load_kind::look);
  if (again)
    facts_ = *std::move(again);
  co_return stored.error();
}

/// Everything before the bytes flow.
script<result<void>> move_machine::prepare_copy() {
  auto to = record_.destination;
  auto known = co_await insist(to, configure(*facts_), abort_attempts);
  if (!known)
    co_return known.error();
  if (record_.resync && held()) {
    // A primary that still counts the destination in must not find its replicas staged.
    auto told = co_await ask(facts_->lease.holder, adopt(*facts_, {}), barrier_timeout);
    if (!adopted(told))
      co_return told.error();
  }
  auto staged = co_await insist(to, stage(record_), abort_attempts);
  if (!staged)
    co_return staged.error();
  if (!held())
    co_return result<void>{};
  auto on = co_await ask(facts_->lease.holder, mirror(*facts_, record_, true), barrier_timeout);
  co_return bare(on);
}

/// What the destination of a resync missed, as the hosts in sync noted it.
script<roaring::Roaring> move_machine::collect_changed() {
  roaring::Roaring all{record_.extents.size(), record_.extents.data()};
  auto since = facts_->placement.lost().at(record_.destination).since;
  auto hosts = facts_->placement.hosts_in_sync();
  std::vector<parcel> parcels;
  for (auto& host : hosts)
    parcels.push_back({host, changed_get(record_.volume, since)});
  auto got = co_await ask_all(std::move(parcels), send_timeout);
  std::map<std::string, std::optional<roaring::Roaring>> notes;
  for (std::size_t i = 0; i < hosts.size(); ++i)
    notes[hosts[i]] = decode_changed(got[i], facts_->shape());
  co_return changed_of(facts_->placement, all, notes);
}

script<result<void>> move_machine::copy() {
  auto ready = co_await prepare_copy();
  if (!ready)
    co_return ready.error();
  roaring::Roaring changed;
  if (record_.resync)
    changed = co_await collect_changed();
  auto to = record_.destination;
  auto request = agent_move(*facts_, record_, request_.rate_bytes, changed);
  auto moved = co_await ask_cancelable(to, std::move(request), request_.timeout);
  auto count = as<schema::AgentMoved>(moved);
  if (!count && planted(bug::commit_after_failed_copy))
    co_return result<void>{};
  if (!count)
    co_return count.error();
  bytes_ = count->read().getBytesCopied();
  skipped_ = count->read().getBytesSkipped();
  if (canceled())
    co_return fault{errc::canceled, "canceled"};
  co_return co_await check();
}

/// A move becomes visible only after both sides' checksums agree.
script<result<void>> move_machine::check() {
  if (planted(bug::fill_over_mirrored) || planted(bug::no_mirror_barrier))
    co_return result<void>{};
  if (held()) {
    auto agreed = co_await ask(facts_->lease.holder, verify(record_), barrier_timeout);
    co_return bare(agreed);
  }
  auto left = co_await insist(record_.source, digest(record_), abort_attempts);
  auto right = co_await insist(record_.destination, digest(record_), abort_attempts);
  auto a = as<schema::PlaneDigests>(left);
  auto b = as<schema::PlaneDigests>(right);
  if (!a || !b)
    co_return a ? b.error() : a.error();
  auto x = a->read().getDigests();
  auto y = b->read().getDigests();
  if (x.size() != record_.extents.size() || y.size() != x.size())
    co_return fault{errc::malformed, "a host answered with too few digests"};
  for (unsigned i = 0; i < x.size(); ++i)
    if (x[i] != y[i])
      co_return fault{errc::corrupt,
                      fmt::format("extent {} differs between hosts {} and {}", record_.extents[i],
                                  record_.source, record_.destination)};
  co_return result<void>{};
}

/// The one transaction that makes the copy a replica. Guarded by the lease revision the move began
/// under: no flip can have come between. Other moves only change the placement: read it and try
/// again.
script<result<void>> move_machine::publish() {
  auto next_record = record_;
  next_record.committed = true;
  for (int attempt = 1;; ++attempt) {
    auto seen = co_await read(attempt == 1 ? load_kind::enter : load_kind::look);
    if (seen) {
      facts_ = *std::move(seen);
      auto own = facts_->moves.find(record_.id);
      if (own != facts_->moves.end() && own->second.record.committed) {
        record_ = own->second.record;
        co_return result<void>{};
      }
      if (own == facts_->moves.end() || facts_->lease_revision != lease_revision_)
        co_return fault{errc::busy, "the lease changed hands during the move"};
      if (canceled())
        co_return fault{errc::canceled, "canceled"};
      for (auto extent : record_.extents)
        if (!facts_->placement.holds(record_.source, extent))
          co_return fault{errc::precondition, fmt::format("extent {} left host {} during the move",
                                                          extent, record_.source)};
      auto map = facts_->placement.with_replica(record_.destination, record_.extents);
      next_record.map_version = map.version();
      std::vector<compare> compares;
      compares.push_back({lease_key(record_.volume), lease_revision_});
      compares.push_back({placement_key(record_.volume), facts_->placement_revision});
      compares.push_back({move_key(record_.id), own->second.revision});
      std::vector<store_op> ops;
      ops.push_back({placement_key(record_.volume), to_value(map.encode())});
      ops.push_back({move_key(record_.id), to_value(next_record)});
      auto done = co_await transact(std::move(compares), std::move(ops));
      // Read back in every case: success, a lost race, or an outcome nobody knows.
      if (!done && done.error().code != errc::refused && done.error().code != errc::storage)
        co_return done.error();
    }
    if (attempt >= store_attempts) {
      // Whether the map names the destination is unknown: neither way may be taken blindly.
      record_.committed = true;
      co_return fault{errc::storage, "the store does not answer; the move is resumed later"};
    }
    if (attempt > 1)
      (void)co_await rest(retry_pause);
  }
}

/// The map names the destination: finish, however long it takes.
script<finish> move_machine::forward() {
  for (;;) {
    auto done = co_await ask(record_.destination, commit_staged(record_), send_timeout);
    if (done)
      break;
    if (never_commits(done.error()))
      co_return co_await withdraw(done.error());
    if (canceled())
      co_return ended(done.error());
    auto gone = co_await destination_lost();
    if (gone)
      break;
    (void)co_await rest(retry_pause);
  }
  // From here on another map may be adopted before this one: every newer one contains it.
  leave_section();
  auto adopted = co_await adopt_everywhere();
  if (!adopted)
    co_return ended(adopted.error());
  auto erased = co_await erase_record();
  if (!erased)
    co_return ended(erased.error());
  co_return ended(std::nullopt);
}

/// Whether the map no longer counts on the destination: then its copy, which may never be committed
/// there, is of no use.
script<bool> move_machine::destination_lost() {
  auto seen = co_await read(load_kind::look);
  if (!seen)
    co_return false;
  auto& map = seen->placement;
  co_return std::none_of(record_.extents.begin(), record_.extents.end(),
                         [&](auto extent) { return map.holds(record_.destination, extent); });
}

/// Tells the primary, whoever that is now. A refusal means it is not primary any more; the next one
/// starts from this map or a newer one.
script<result<void>> move_machine::adopt_everywhere() {
  int tries_after_cancel = 0;
  for (;;) {
    auto seen = co_await read(resumed_ ? load_kind::enter : load_kind::look);
    result<void> last{};
    if (!seen) {
      last = seen.error();
    } else {
      facts_ = *std::move(seen);
      if (!held())
        co_return result<void>{};
      auto primary = facts_->lease.holder;
      auto routed = co_await ask(primary, adopt(*facts_, record_.extents), barrier_timeout);
      if (!adopted(routed) && not_primary(routed.error()))
        co_return result<void>{};
      last = bare(routed);
      if (adopted(routed)) {
        auto off = co_await ask(primary, mirror(*facts_, record_, false), barrier_timeout);
        if (off || not_primary(off.error()))
          co_return result<void>{};
        last = off.error();
      }
    }
    if (canceled() && ++tries_after_cancel >= adopt_attempts_after_cancel)
      co_return last;
    (void)co_await rest(retry_pause);
  }
}

/// Before the transaction: nothing of the move may remain. What an unreachable destination keeps is
/// found by its inventory, because the record is gone and ids are never reused.
script<finish> move_machine::abort(fault why) {
  if (!facts_ || resumed_) {
    auto seen = co_await read(load_kind::look);
    if (!seen) {
      auto end = ended(seen.error());
      end.resume_later = true;
      co_return end;
    }
    facts_ = *std::move(seen);
  }
  if (held() && facts_->lease.held_epoch == record_.epoch)
    (void)co_await insist(facts_->lease.holder, mirror(*facts_, record_, false), abort_attempts);
  co_return co_await forget(why);
}

/// The last steps of a move that did not happen: the copy is dropped, then the record.
script<finish> move_machine::forget(fault why) {
  auto dropped = abort_staged(record_.volume, record_.id);
  (void)co_await insist(record_.destination, std::move(dropped), abort_attempts);
  auto erased = co_await erase_record();
  auto end = ended(why);
  end.resume_later = !erased;
  co_return end;
}

script<result<void>> move_machine::erase_record() {
  for (int attempt = 1;; ++attempt) {
    auto seen = co_await read(load_kind::look);
    if (seen) {
      auto own = seen->moves.find(record_.id);
      if (own == seen->moves.end())
        co_return result<void>{};
      std::vector<compare> compares;
      compares.push_back({move_key(record_.id), own->second.revision});
      std::vector<store_op> ops;
      ops.push_back({move_key(record_.id), std::nullopt});
      auto done = co_await transact(std::move(compares), std::move(ops));
      if (done)
        co_return result<void>{};
    }
    if (attempt >= store_attempts)
      co_return fault{errc::storage, "the store does not answer; the move is resumed later"};
    (void)co_await rest(retry_pause);
  }
}

finish move_machine::ended(std::optional<fault> why) const {
  finish end;
  end.resume_later = why && record_.committed;
  end.why = std::move(why);
  end.bytes = bytes_;
  end.skipped = skipped_;
  return end;
}

} // namespace foreshift::lease
