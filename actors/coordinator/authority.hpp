// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"

#include <memory>

namespace foreshift::control {

/// Serialises access to the store. Its calls block on fsync, so production spawns it detached.
class authority_state {
public:
  using interface = authority_actor;

  static constexpr const char* name = "authority";

  authority_state(interface::pointer, std::shared_ptr<store> keeper);

  interface::behavior_type make_behavior();

private:
  result<void> claim();
  caf::result<std::uint64_t> apply(const txn_request& x);
  caf::result<stored_ptr> range(const range_request& x) const;

  const std::shared_ptr<store> store_;
  std::uint64_t leader_revision_ = 0; ///< Of our claim; a newer leader's makes every txn fail.
};

using authority = hosted<authority_state>;

} // namespace foreshift::control
