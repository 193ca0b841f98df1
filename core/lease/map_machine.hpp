// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/machine.hpp"
#include "core/lease/replicas.hpp"

#include <map>
#include <optional>
#include <string>

namespace foreshift::lease {

/// Why the replicas at `host` stay: of what they hold, only `unsure` would be left.
fault nobody_sure(const std::string& host, const volume_facts& facts, const host_set& unsure);

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

  /// The same for one host that doubts what it has, and keeps what no other one has. `busy` while
  /// another one that shares some of it has doubted for longer: it may lack more, and goes first.
  script<result<void>> leave_out_shared(std::string host, std::uint64_t doubt, volume_facts& facts);

  struct others {
    host_set unsure; ///< Doubt what they have, or their replica has failed.
    host_set silent;
    std::map<std::string, std::uint64_t> doubts; ///< Of those that doubt.
  };
  /// Asks the hosts that `next` has in sync how they are and, `watching`, to watch from it on.
  script<others> ask_others(const placement_map& next, bool watching);

private:
  /// `doubt` 0: all that the host has.
  script<result<void>> leave_out_one(std::string host, volume_facts& facts, std::uint64_t doubt);
  script<bool> end_watch(const placement_map& next);
};

} // namespace foreshift::lease
