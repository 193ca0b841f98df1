// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/machine.hpp"
#include "core/lease/replicas.hpp"

#include <optional>

namespace foreshift::lease {

/// A machine that may have to leave failed hosts out of the map.
class map_machine : public machine {
protected:
  /// The durable decision that `hosts` (sorted) are left out: each other host in sync is asked to
  /// watch from the map version that does it, then one guarded transaction a host. `facts` is what
  /// was read last and is brought up to date. `precondition`: an extent would be left without a
  /// replica; nothing is changed then. `busy`: the lease changed meanwhile.
  ///
  /// A host that does not answer the watch is not waited for: its notes will not be taken for
  /// complete, and what it holds is compared whole when the lost host returns.
  script<result<void>> leave_out(host_set hosts, volume_facts& facts);

private:
  script<result<void>> leave_out_one(std::string host, volume_facts& facts);
  script<result<void>> watch_at_others(const placement_map& next, std::uint64_t since, bool on);
};

} // namespace foreshift::lease
