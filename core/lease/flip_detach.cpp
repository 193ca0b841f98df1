// SPDX-License-Identifier: Apache-2.0
// The end of an attachment: nobody is the next holder.
#include "core/lease/flip_machine.hpp"
#include "core/lease/requests.hpp"

namespace foreshift::lease {

script<finish> flip_machine::detach() {
  say("prepare");
  auto next = facts_->lease;
  next.prepared = {request_.task, next.held_epoch, "", next.holder};
  auto stored = co_await put_lease(next);
  if (!stored)
    co_return ended(stored.error());
  co_return co_await drain_and_drop();
}

script<finish> flip_machine::drain_and_drop() {
  auto former = facts_->lease;
  say("takeover");
  auto done = co_await drain_or_fence(former);
  if (!done)
    co_return co_await forward_to(former.holder, done.error());
  say("commit");
  auto next = facts_->lease;
  next.holder.clear();
  next.held_epoch = 0;
  next.prepared = {};
  auto stored = co_await put_lease(next);
  if (!stored) {
    auto end = ended(stored.error());
    end.resume_later = true;
    co_return end;
  }
  (void)co_await ask(former.holder, release(former.volume, former.held_epoch), send_timeout);
  co_return ended(std::nullopt);
}

/// By force, a holder that cannot be drained is fenced: it may be alive, or come back serving, and
/// moves of a detached volume mirror nobody's writes.
script<result<void>> flip_machine::drain_or_fence(lease_record former) {
  auto drained =
      co_await insist(former.holder, drain(former.volume, former.held_epoch), ask_attempts);
  if (drained)
    co_return result<void>{};
  if (!request_.forced)
    co_return drained.error();
  auto next = facts_->lease;
  next.epoch += 1;
  next.prepared.epoch = next.epoch;
  if (auto stored = co_await put_lease(next); !stored)
    co_return stored;
  std::vector<parcel> promotions;
  for (auto& host : facts_->placement.hosts_to_seal())
    promotions.push_back({host, promote(former.volume, next.epoch, former.holder)});
  auto silent = co_await reach_all(std::move(promotions), ask_attempts);
  if (!silent)
    co_return silent.error();
  host_set hosts;
  for (auto& [host, why] : *silent)
    hosts.push_back(host);
  co_return co_await leave_out(std::move(hosts), *facts_);
}

} // namespace foreshift::lease
