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
  /// replica, or only with hosts that doubt theirs (their machine restarted) or whose replica has
  /// failed; nothing is changed then. `busy`: the lease changed meanwhile.
  ///
  /// A host that does not answer the watch is not waited for: its notes will not be taken for
  /// complete, and what it holds is compared whole when the lost host returns.
  script<result<void>> leave_out(host_set hosts, volume_facts& facts);

  /// The same for one host, which keeps what no other one has.
  script<result<void>> leave_out_shared(std::string host, volume_facts& facts);

private:
  script<result<void>> leave_out_one(std::string host, volume_facts& facts, bool keep_only);
  script<host_set> prepare_others(const placement_map& next, bool watching);
  script<bool> end_watch(const placement_map& next);
};

} // namespace foreshift::lease
