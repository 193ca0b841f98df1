// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/records.hpp"
#include "core/store/store.hpp"
#include "tests/sim/kernel.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::sim {

/// The authority's durable records, which survive the coordinator, and what the checks read there.
class ledger {
public:
  std::map<std::string, stored, std::less<>> records;
  std::uint64_t revision = 0;
  double ambiguous = 0; ///< Share of transactions whose outcome the caller does not learn.
  std::function<void(const lease::lease_record&)> on_holder; ///< A lease has got a new epoch.

  std::vector<volume_shape> volumes() const;
  std::optional<lease::lease_record> lease(std::uint64_t volume) const;
  std::optional<placement_map> placement(const volume_shape& shape) const;
  std::vector<lease::move_record> moves() const;
};

/// The store over it: every transaction is durable before it answers, and checked for I1 and I5.
std::unique_ptr<store> make_sim_store(ledger& machine, std::uint64_t token);

} // namespace foreshift::sim
