// SPDX-License-Identifier: Apache-2.0
#include "core/base/planted.hpp"

#include "tests/sim/bugs.hpp"

#include <iterator>

namespace foreshift {

bug planted_bug = bug::none;

namespace sim {

namespace {

using seeds = std::array<std::uint64_t, 3>;

constexpr planted_row demanded(std::string_view name, seeds first = {}) {
  return {name, true, first};
}

constexpr planted_row sought(std::string_view name) {
  return {name, false, {}};
}

/// In the order of `bug`.
constexpr planted_row rows[] = {
    sought("zero_ignores_epoch"),
    demanded("ack_without_replica", {1}),
    demanded("commit_after_failed_copy", {1}),
    demanded("no_mirror_barrier", {379}),
    sought("flip_without_drain"),
    demanded("flush_local_only", {1}),
    demanded("reuse_epoch", {1}),
    demanded("retire_before_adopt", {2}),
    demanded("fill_over_mirrored", {4}),
    demanded("promote_not_durable", {48}),
    sought("promote_without_waiting"),
    sought("recover_without_repair"),
    sought("serve_unpromoted"),
    demanded("ignore_restart", {1}),
    demanded("serve_corrupt", {68}),
    demanded("forgive_sync", {160}),
};
static_assert(std::size(rows) == static_cast<std::size_t>(bug::forgive_sync));

} // namespace

std::span<const planted_row> planted_bugs() {
  return rows;
}

bool plant(std::string_view name) {
  for (std::size_t i = 0; i < std::size(rows); ++i)
    if (rows[i].name == name) {
      planted_bug = static_cast<bug>(i + 1);
      return true;
    }
  planted_bug = bug::none;
  return name == no_bug;
}

} // namespace sim

} // namespace foreshift
