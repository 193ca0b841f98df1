// SPDX-License-Identifier: Apache-2.0
// Damage to data becomes an event when it is first reported.
#include "actors/coordinator/conductor.hpp"

#include <fmt/format.h>

namespace foreshift::control {

void conductor_state::alarm(const host_ptr& former, const host_entry& now) {
  for (auto row : now.report.read().getPlane().getVolumes()) {
    schema::PlaneVolume::Reader before;
    bool known = former && find_volume(*former, row.getId(), before);
    auto subject = fmt::format("volume {}", row.getName().cStr());
    if (auto lost = row.getLost(); lost > (known ? before.getLost() : 0))
      note("error", subject, fmt::format("{} blocks with no good copy", lost));
    if (row.getFailed().size() > 0 && !(known && before.getFailed().size() > 0))
      note("error", subject,
           fmt::format("its replica at host {} has failed: {}", now.address.name,
                       row.getFailed().cStr()));
    if (row.getDoubt() != 0 && before.getDoubt() != row.getDoubt())
      note("warning", subject,
           fmt::format("host {} restarted and may lack writes that were not synced; its replica is "
                       "compared with the others",
                       now.address.name));
    auto repaired = row.getRepaired();
    auto earlier = before.getRepaired();
    if (known && repaired > earlier)
      note(
          "warning", subject,
          fmt::format("{} corrupt blocks were rewritten from another replica", repaired - earlier));
  }
}

} // namespace foreshift::control
