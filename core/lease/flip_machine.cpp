// SPDX-License-Identifier: Apache-2.0
#include "core/lease/flip_machine.hpp"

#include "core/base/planted.hpp"
#include "core/lease/requests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::lease {

namespace {

constexpr int setup_attempts = 3;
constexpr int store_attempts = 5;
constexpr int forward_attempts = 4;
/// So often a host that may only be slow is waited for before it is left out.
constexpr int patient_attempts = 2;
/// More than a takeover's own limit; also for a farewell, which heartbeats repeat if it is lost.
constexpr std::chrono::milliseconds brief{1000};

} // namespace

script<finish> flip_machine::run() {
  auto facts = co_await read(load_kind::settle);
  if (!facts)
    co_return ended(facts.error());
  facts_ = *std::move(facts);
  auto found = facts_->lease.prepared;
  if (found.id == request_.task) {
    fault lost{errc::failed, "the coordinator restarted during the flip"};
    if (found.to.empty())
      co_return co_await drain_and_drop();
    if (found.to == facts_->lease.holder)
      co_return co_await forward_to(found.to, lost);
    co_return co_await resolve(found, lost);
  }
  if (auto why = objection())
    co_return ended(*why);
  if (request_.reattach)
    co_return co_await forward_to(request_.to, std::nullopt);
  if (request_.to.empty())
    co_return co_await detach();
  auto epoch = facts_->lease.epoch + 1;
  flip_intent intent{request_.task, epoch, request_.to, facts_->lease.holder};
  co_return co_await take(intent);
}

std::optional<fault> flip_machine::objection() const {
  auto& lease = facts_->lease;
  auto& name = facts_->shape().name;
  if (lease.prepared.id != 0)
    return fault{errc::busy, fmt::format("task {} is changing the lease of volume '{}'",
                                         lease.prepared.id, name)};
  if (request_.to.empty())
    return lease.holder.empty() ? std::optional{fault{
               errc::precondition, fmt::format("volume '{}' is not attached", name)}}
                                : std::nullopt;
  bool known = std::any_of(facts_->peers.begin(), facts_->peers.end(),
                           [&](const host_address& x) { return x.name == request_.to; });
  if (!known)
    return fault{errc::not_found, fmt::format("no host named '{}'", request_.to)};
  if (request_.reattach ? lease.holder != request_.to : lease.holder == request_.to)
    return fault{errc::precondition,
                 fmt::format("volume '{}' is {}attached at host '{}'", name,
                             request_.reattach ? "not " : "already ", request_.to)};
  return std::nullopt;
}

/// The ordinary way: everything that is slow first, then one message.
script<finish> flip_machine::take(flip_intent intent) {
  say("prepare");
  auto next = facts_->lease;
  next.epoch = intent.epoch;
  next.prepared = intent;
  auto stored = co_await put_lease(next);
  if (!stored)
    co_return ended(stored.error());
  auto ready = co_await ready_hosts(intent, setup_attempts, request_.forced);
  if (!ready)
    co_return co_await undo(intent, ready.error());
  if (canceled()) {
    fault stopped{errc::canceled, "canceled before the takeover"};
    co_return co_await undo(intent, stopped);
  }
  if (auto go = co_await await_go(); !go)
    co_return co_await undo(intent, go.error());
  say("takeover");
  auto times = co_await ask_takeover(intent);
  if (times)
    co_return co_await commit_to(intent, *times);
  if (yielding() && times.error().code == errc::busy) {
    auto why = times.error(); // named: g++ 12 ends what a conditional makes in a co_await twice
    if (canceled())
      why = fault{errc::canceled, "canceled while the source would not yield"};
    co_return co_await undo(intent, why);
  }
  co_return co_await resolve(intent, times.error());
}

/// One question; of a source that has to yield first, as many as there is time for.
script<result<flip_times>> flip_machine::ask_takeover(flip_intent intent) {
  auto left = request_.timeout;
  for (;;) {
    auto request = takeover(*facts_, intent, request_.timeout, request_.forced, request_.quiet);
    auto took = co_await ask(intent.to, std::move(request), request_.timeout + brief);
    auto times = as<schema::FlipTimes>(took);
    if (times)
      co_return decode(times->read());
    left -= yield_pause;
    if (!yielding() || times.error().code != errc::busy || canceled() || left.count() < 0)
      co_return times.error();
    (void)co_await rest(yield_pause);
  }
}

script<result<void>> flip_machine::await_go() {
  if (!request_.held)
    co_return result<void>{};
  say("armed");
  auto said = co_await listen(armed_span, true);
  if (said == word::go && !canceled())
    co_return result<void>{};
  if (canceled() || said != word::silence)
    co_return fault{errc::canceled, "canceled before the takeover"};
  co_return fault{errc::timeout, "nobody asked for the takeover in time"};
}

/// While a guest is stopped nobody is waited for twice.
script<result<door::envelope>> flip_machine::ask_status(std::string host) {
  auto request = plane_status(facts_->shape().id);
  if (request_.held)
    co_return co_await ask(std::move(host), std::move(request), brief);
  co_return co_await insist(std::move(host), std::move(request), ask_attempts);
}

/// The takeover's outcome is unknown or bad: the destination's word decides.
script<finish> flip_machine::resolve(flip_intent intent, fault why) {
  auto status = co_await ask_status(intent.to);
  if (!says_primary(status, facts_->shape().id, intent.epoch)) {
    if (!intent.from.empty())
      co_return co_await forward_to(intent.from, why);
    co_return co_await give_up(intent, why);
  }
  // Already primary at this epoch: asking again only fetches the times.
  auto request = takeover(*facts_, intent, request_.timeout, request_.forced);
  auto again = co_await ask(intent.to, std::move(request), request_.timeout);
  auto times = as<schema::FlipTimes>(again);
  auto measured = times ? decode(times->read()) : flip_times{};
  co_return co_await commit_to(intent, measured);
}

script<finish> flip_machine::commit_to(flip_intent intent, flip_times times) {
  say("commit", times);
  auto former = facts_->lease;
  auto next = former;
  next.holder = intent.to;
  next.held_epoch = intent.epoch;
  next.prepared = {};
  auto stored = co_await put_lease(next);
  if (!stored) {
    auto end = ended(stored.error());
    end.resume_later = true;
    co_return end;
  }
  bool moved = !intent.from.empty() && intent.from != intent.to;
  if (moved && request_.held) {
    say("settle");
    // A cancel is no verdict: where the guest runs only its tool knows. Nor is a second `go`.
    auto said = word::go;
    while (said == word::go)
      said = co_await listen(settle_span, false);
    fault stays{errc::canceled, "the VM stays"};
    if (said == word::back)
      co_return co_await forward_to(intent.from, stays);
  }
  if (moved)
    (void)co_await ask(intent.from, release(former.volume, former.held_epoch), brief);
  auto end = ended(std::nullopt);
  end.times = times;
  co_return end;
}

/// Promotes `host`, the rightful holder, at ever newer epochs: the roll-back of a flip (`why`) and
/// the re-attachment of a holder whose data plane restarted. Nobody is drained: whoever might still
/// hold an older epoch is fenced by the promotion.
script<finish> flip_machine::forward_to(std::string host, std::optional<fault> why) {
  say(request_.reattach ? "prepare" : "rollback");
  auto& before = facts_->lease;
  bool flipping = before.prepared.id != 0;
  auto failed_epoch = flipping ? before.prepared.epoch : before.held_epoch;
  auto failed_host = flipping ? before.prepared.to : before.holder;
  std::optional<fault> last;
  for (int attempt = 0; attempt < forward_attempts; ++attempt) {
    if (attempt > 0)
      (void)co_await rest(retry_pause);
    auto next = facts_->lease;
    next.epoch += planted(bug::reuse_epoch) ? 0 : 1;
    next.prepared = {request_.task, next.epoch, host, ""};
    auto intent = next.prepared;
    auto stored = co_await put_lease(next);
    if (!stored) {
      auto end = ended(stored.error());
      end.resume_later = true;
      co_return end;
    }
    auto ready = co_await ready_hosts(intent, 1, attempt >= (request_.held ? 0 : patient_attempts));
    if (!ready) {
      last = ready.error();
      continue;
    }
    if (request_.reattach)
      say("takeover");
    auto request = takeover(*facts_, intent, request_.timeout, true);
    auto took = co_await ask(host, std::move(request), request_.timeout + brief);
    auto times = as<schema::FlipTimes>(took);
    if (!times) {
      last = times.error();
      auto status = co_await ask_status(host);
      if (!says_primary(status, facts_->shape().id, intent.epoch))
        continue;
    }
    if (!failed_host.empty() && failed_host != host)
      (void)co_await ask(failed_host, release(facts_->shape().id, failed_epoch), brief);
    auto measured = times ? decode(times->read()) : flip_times{};
    auto end = co_await commit_to(intent, measured);
    if (!end.why && why)
      end.why = fault{why->code, fmt::format("{}; rolled back to host '{}'", why->detail, host)};
    co_return end;
  }
  // Nobody else may hold it either: the record keeps naming its rightful holder, to be tried again.
  auto next = facts_->lease;
  next.prepared = {};
  (void)co_await put_lease(next);
  co_return ended(why ? *why : *last);
}

/// Nothing has been promoted: the source still serves at its old epoch.
script<finish> flip_machine::undo(flip_intent intent, fault why) {
  (void)co_await ask(intent.to, release(facts_->shape().id, intent.epoch), send_timeout);
  co_return co_await drop_intent(why);
}

/// An attach that failed after its takeover was sent: the epoch is spent, nobody holds the lease.
script<finish> flip_machine::give_up(flip_intent intent, fault why) {
  (void)co_await insist(intent.to, release(facts_->shape().id, intent.epoch), ask_attempts);
  co_return co_await drop_intent(why);
}

/// The store no longer names the intent; its epoch stays spent.
script<finish> flip_machine::drop_intent(fault why) {
  auto next = facts_->lease;
  next.prepared = {};
  auto stored = co_await put_lease(next);
  auto end = ended(why);
  end.resume_later = !stored;
  co_return end;
}

/// Makes every partition host know the volume and the intent, and the next holder stand by.
script<result<void>> flip_machine::ready_hosts(flip_intent intent, int attempts, bool leaving_out) {
  auto silent = co_await call_hosts(intent, leaving_out ? 1 : attempts);
  if (!silent)
    co_return silent.error();
  if (!silent->empty()) {
    host_set hosts;
    for (auto& [host, why] : *silent)
      hosts.push_back(host);
    if (!leaving_out || silent->contains(intent.to))
      co_return silent->begin()->second;
    auto done = co_await leave_out(std::move(hosts), *facts_);
    if (!done)
      co_return done;
  }
  std::vector<parcel> one;
  one.push_back({intent.to, standby(*facts_, intent.epoch)});
  co_return co_await insist_all(std::move(one), attempts);
}

/// Those that could not be reached.
script<result<std::map<std::string, fault>>> flip_machine::call_hosts(flip_intent intent,
                                                                      int attempts) {
  auto hosts = facts_->placement.hosts_to_seal();
  if (std::find(hosts.begin(), hosts.end(), intent.to) == hosts.end())
    hosts.push_back(intent.to);
  std::vector<parcel> configures;
  std::vector<parcel> prepares;
  for (auto& host : hosts) {
    configures.push_back({host, configure(*facts_)});
    prepares.push_back({host, prepare(intent, facts_->shape().id)});
  }
  auto silent = co_await reach_all(std::move(configures), attempts);
  if (!silent)
    co_return silent;
  std::erase_if(prepares, [&](const parcel& x) { return silent->contains(x.host); });
  auto unprepared = co_await reach_all(std::move(prepares), attempts);
  if (!unprepared)
    co_return unprepared;
  silent->merge(*unprepared);
  co_return silent;
}

/// Writes the lease record, guarded by the revisions read before. An unclear outcome is read again.
script<result<void>> flip_machine::put_lease(lease_record next) {
  auto key = lease_key(next.volume);
  for (int attempt = 1;; ++attempt) {
    std::vector<compare> compares;
    compares.push_back({key, facts_->lease_revision});
    compares.push_back({placement_key(next.volume), facts_->placement_revision});
    std::vector<store_op> ops;
    ops.push_back({key, to_value(next)});
    auto done = co_await transact(std::move(compares), std::move(ops));
    if (done) {
      facts_->lease = next;
      facts_->lease_revision = *done;
      co_return result<void>{};
    }
    auto before = facts_->lease;
    auto seen = co_await read(load_kind::look);
    if (seen) {
      facts_ = *std::move(seen);
      if (facts_->lease == next)
        co_return result<void>{};
      if (!(facts_->lease == before))
        co_return fault{errc::busy, "another task changed the lease meanwhile"};
    }
    if (attempt >= store_attempts)
      co_return done.error();
    (void)co_await rest(retry_pause);
  }
}

finish flip_machine::ended(std::optional<fault> why) const {
  finish end;
  end.why = std::move(why);
  if (facts_) {
    end.epoch = facts_->lease.held_epoch;
    end.holder = facts_->lease.holder;
  }
  return end;
}

} // namespace foreshift::lease
