// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/planner.hpp"

#include <string>
#include <vector>

namespace foreshift {

/// A host as the next one of a volume.
struct target {
  host_view host;
  double coverage = 0;     ///< Of predicted accesses, resident there now.
  std::uint64_t bytes = 0; ///< A plan would copy.
  double pull = 0;         ///< How well the host serves the volume's present compute host.
  std::string why_not;     ///< Why it is no target; empty: it is one.
};

/// What going to `host` would take, by the plan for it (`request.to` names it).
target appraise(const volume_view& volume, const std::vector<host_view>& hosts,
                const host_view& host, const plan_request& request);

/// Best first: those that are targets; then by the magnitude (a power of two of 64 MiB) of what has
/// to be copied, then by headroom, then by what has to be copied, then by name.
void rank(std::vector<target>& all);

} // namespace foreshift
