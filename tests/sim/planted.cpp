// SPDX-License-Identifier: Apache-2.0
#include "core/base/planted.hpp"

#include "tests/sim/bugs.hpp"

#include <iterator>

namespace foreshift {

bug planted_bug = bug::none;

namespace sim {

namespace {

constexpr std::string_view names[] = {
    "none",
    "zero_ignores_epoch",
    "ack_without_replica",
    "commit_after_failed_copy",
    "no_mirror_barrier",
    "flip_without_drain",
    "flush_local_only",
    "reuse_epoch",
    "retire_before_adopt",
    "fill_over_mirrored",
    "promote_not_durable",
    "promote_without_waiting",
    "recover_without_repair",
    "serve_unpromoted",
};
static_assert(std::size(names) == static_cast<std::size_t>(bug::serve_unpromoted) + 1);

} // namespace

std::span<const std::string_view> bug_names() {
  return names;
}

bool plant(std::string_view name) {
  for (std::size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name) {
      planted_bug = static_cast<bug>(i);
      return true;
    }
  return false;
}

} // namespace sim

} // namespace foreshift
