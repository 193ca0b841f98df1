// SPDX-License-Identifier: Apache-2.0
#include "core/base/planted.hpp"

#include "tests/sim/bugs.hpp"

#include <iterator>

namespace foreshift {

bug planted_bug = bug::none;

namespace sim {

namespace {

/// In the order of `bug`.
constexpr planted_row rows[] = {
    {"zero_ignores_epoch", {}},  {"ack_without_replica", {}},     {"commit_after_failed_copy", {}},
    {"no_mirror_barrier", {}},   {"flip_without_drain", {}},      {"flush_local_only", {}},
    {"reuse_epoch", {}},         {"retire_before_adopt", {}},     {"fill_over_mirrored", {}},
    {"promote_not_durable", {}}, {"promote_without_waiting", {}}, {"recover_without_repair", {}},
    {"serve_unpromoted", {}},    {"ignore_restart", {}},          {"serve_corrupt", {}},
    {"forgive_sync", {}},
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
