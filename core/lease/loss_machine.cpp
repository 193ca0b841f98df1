// SPDX-License-Identifier: Apache-2.0
#include "core/lease/loss_machine.hpp"

#include "core/lease/requests.hpp"

#include <fmt/format.h>

namespace foreshift::lease {

namespace {

constexpr int tell_attempts = 3;

finish ended(std::optional<fault> why) {
  finish end;
  end.why = std::move(why);
  return end;
}

} // namespace

script<finish> loss_machine::run() {
  auto seen = co_await read(load_kind::enter);
  if (!seen)
    co_return ended(seen.error());
  facts_ = *std::move(seen);
  if (auto why = objection())
    co_return ended(*why);
  auto done = co_await decide();
  if (done)
    done = co_await tell_primary();
  if (done && request_.doubt != 0) {
    auto told =
        co_await insist(request_.host, trust(request_.volume, request_.doubt), tell_attempts);
    if (!told)
      done = told.error();
  }
  co_return ended(done ? std::nullopt : std::optional{done.error()});
}

script<result<void>> loss_machine::decide() {
  if (request_.doubt != 0)
    co_return co_await leave_out_shared(request_.host, request_.doubt, *facts_);
  host_set one;
  one.push_back(request_.host);
  co_return co_await leave_out(std::move(one), *facts_);
}

script<result<void>> loss_machine::tell_primary() {
  if (facts_->lease.holder.empty())
    co_return result<void>{};
  auto told = co_await insist(facts_->lease.holder, adopt(*facts_, {}), tell_attempts);
  // A holder that restarted with its machine serves by no map at all until it is promoted again.
  bool idle = !told && told.error().code == errc::refused && request_.doubt != 0;
  if (adopted(told) || idle)
    co_return result<void>{};
  co_return told.error();
}

std::optional<fault> loss_machine::objection() const {
  auto& lease = facts_->lease;
  if (canceled())
    return fault{errc::canceled, "canceled"};
  if (lease.prepared.id != 0)
    return fault{errc::busy, "the lease is changing hands"};
  if (request_.epoch != 0 && lease.held_epoch != request_.epoch)
    return fault{errc::refused, fmt::format("volume '{}' is at epoch {} now", facts_->shape().name,
                                            lease.held_epoch)};
  return std::nullopt;
}

} // namespace foreshift::lease
