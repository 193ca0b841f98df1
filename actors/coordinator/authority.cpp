// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/authority.hpp"

#include "core/base/log.hpp"

namespace foreshift::control {

namespace {

constexpr const char* leader_key = "leader";

} // namespace

authority_state::authority_state(interface::pointer, std::shared_ptr<store> keeper)
    : store_(std::move(keeper)) {}

authority_actor::behavior_type authority_state::make_behavior() {
  if (auto ok = claim(); !ok)
    slog::error("the coordinator cannot claim leadership: {}", ok.error().detail);
  return {
      [this](const txn_ptr& x) { return apply(*x); },
      [this](const range_request& x) { return range(x); },
  };
}

result<void> authority_state::claim() {
  std::vector<store_op> ops;
  ops.push_back({leader_key, std::to_string(store_->token())});
  auto done = store_->txn({}, ops);
  if (!done)
    return done.error();
  leader_revision_ = *done;
  return {};
}

caf::result<std::uint64_t> authority_state::apply(const txn_request& x) {
  if (leader_revision_ == 0)
    if (auto ok = claim(); !ok)
      return to_caf(ok.error());
  auto compares = x.compares;
  compares.push_back({leader_key, leader_revision_});
  return to_caf(store_->txn(compares, x.ops));
}

caf::result<stored_ptr> authority_state::range(const range_request& x) const {
  auto got = store_->range(x.prefix);
  if (!got)
    return to_caf(got.error());
  return std::make_shared<const std::vector<stored>>(*std::move(got));
}

} // namespace foreshift::control
