// SPDX-License-Identifier: Apache-2.0
#include "core/extent/residency_table.hpp"

#include <memory>

namespace foreshift {

residency_table::residency_table(std::uint32_t extents)
    : pages_((static_cast<std::uint64_t>(extents) + page_extents - 1) / page_extents) {
  // nop
}

residency_table::~residency_table() {
  for (auto& at : pages_)
    delete at.load();
}

std::atomic<extent_state>& residency_table::slot(std::uint32_t extent) {
  auto& at = pages_[extent / page_extents];
  auto* found = at.load(std::memory_order_acquire);
  if (!found) {
    auto fresh = std::make_unique<page>();
    if (at.compare_exchange_strong(found, fresh.get()))
      found = fresh.release();
  }
  return found->states[extent % page_extents];
}

extent_state residency_table::learn(std::uint32_t extent, extent_state to) {
  auto was = extent_state::unknown;
  return slot(extent).compare_exchange_strong(was, to) ? to : was;
}

} // namespace foreshift
