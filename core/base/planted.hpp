// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace foreshift {

/// Mistakes that are made on purpose to see whether the simulation finds them. They exist only in
/// objects compiled with FORESHIFT_BUGS, for the program `foreshift_sim_bugs`; elsewhere the
/// questions below are constants and leave no trace in the code.
enum class bug {
  none,
  zero_ignores_epoch,       ///< A partition host zeroes for whoever asks.
  ack_without_replica,      ///< A write is acknowledged though a replica could not be reached.
  commit_after_failed_copy, ///< A move goes on when the pull failed.
  no_mirror_barrier,        ///< Mirroring is answered at once, and nobody compares.
  flip_without_drain,       ///< A takeover does not ask the source to finish.
  flush_local_only,         ///< A flush does not reach the other hosts.
  reuse_epoch,              ///< A roll-back uses the failed flip's epoch.
  retire_before_adopt,      ///< A replica is freed while the primary still routes to it.
  fill_over_mirrored,       ///< A pull overwrites mirrored blocks, and nobody compares.
  promote_not_durable,      ///< A fence is kept in memory only.
  promote_without_waiting,  ///< A fence is answered while older requests are being served.
  recover_without_repair,   ///< A restarted primary forgets its torn writes.
  serve_unpromoted,         ///< A takeover goes on though a host has not promoted it.
  ignore_restart,           ///< A host that lost its power trusts what it has.
  serve_corrupt,            ///< A block is read though it does not match its checksum.
  forgive_sync,             ///< A flush succeeds although fdatasync failed.
};

#ifdef FORESHIFT_BUGS
extern bug planted_bug;
inline bool planted(bug which) {
  return planted_bug == which;
}
#else
constexpr bool planted(bug) {
  return false;
}
#endif

} // namespace foreshift
