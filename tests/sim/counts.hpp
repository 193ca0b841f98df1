// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// What all seeds of a run did, added up over their processes.
namespace foreshift::sim {

enum class count {
  // Faults.
  kills,
  coordinator_kills,
  stops,
  cuts,
  bad_wires,
  resets,
  messages_lost,
  unclear_transactions,
  power_losses,
  site_power_losses,
  disks_full,
  writes_refused,
  bits_flipped,
  syncs_failed,
  writes_failed,
  reads_failed,
  databases_failed,
  // What was asked for meanwhile.
  flips,
  moves,
  volumes_created,
  volumes_deleted,
  // What was checked.
  reads,
  writes,
  flushes,
  peer_requests,
  replicas_compared,
  end_
};

namespace counts {

/// Before the first seed's process is made.
void share();
const char* name(count what);
void add(count what, std::uint64_t by = 1);
/// One line a group, to the standard output.
void print();

} // namespace counts

} // namespace foreshift::sim
