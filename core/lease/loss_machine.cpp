// SPDX-License-Identifier: Apache-2.0
#include "core/lease/loss_machine.hpp"

#include "core/lease/requests.hpp"

#include <fmt/format.h>

namespace foreshift::lease {

namespace {

constexpr int adopt_attempts = 3;

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
  host_set one;
  one.push_back(request_.host);
  auto done = co_await leave_out(std::move(one), *facts_);
  if (!done)
    co_return ended(done.error());
  if (facts_->lease.holder.empty())
    co_return ended(std::nullopt);
  auto told = co_await insist(facts_->lease.holder, adopt(*facts_, {}), adopt_attempts);
  if (!adopted(told))
    co_return ended(told.error());
  co_return ended(std::nullopt);
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
