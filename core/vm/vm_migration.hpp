// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/vm/ram_pace.hpp"
#include "core/vm/vm_ports.hpp"

#include <memory>

namespace foreshift {

struct vm_migration_options {
  std::string uri; ///< Where the destination listens, or shall.
  stream_options stream;
  double tolerated = 0.5; ///< So much longer the guest's requests may take while RAM is copied.
  std::chrono::milliseconds ram_timeout{1'800'000}; ///< For the RAM to converge.
  std::chrono::milliseconds switch_timeout{30'000}; ///< From migrate-continue to running there.
};

/// Where a VM is after all.
enum class vm_place {
  source,      ///< It runs, or stays stopped, at the source, which is primary.
  destination, ///< Likewise.
  lost,        ///< Its QEMU died. The volumes are whole and at one side; start it anew there.
  unclear,     ///< The coordinator or a QEMU does not answer: see `vm_end::why`.
};

struct vm_end {
  vm_place place = vm_place::unclear;
  std::optional<fault> why; ///< Empty: it migrated.
  vm_account account;
};

/// Migrates a running guest with its volumes:
///
///   both QEMUs checked -> extents pre-positioned up to the gate -> RAM copied -> leases armed when
///   little RAM is left -> QEMU stops the guest (pre-switchover) -> migrate-continue, and meanwhile
///   every volume's lease taken, or none -> the destination's guest, which waited for that, runs ->
///   the sources let go
///
/// Whatever fails, the guest ends up at the side that is primary: before the destination was told
/// to run it always the source; after that, wherever it runs (`settle`). One thread.
class vm_migration {
public:
  vm_migration(qemu_port& source, qemu_port& destination,
               std::vector<std::unique_ptr<volume_port>>& volumes, vm_clock& clock,
               vm_migration_options options);

  vm_end run();

  /// Brings what a killed run left to one clean end, from what both QEMUs say now.
  vm_end recover();

private:
  result<void> check();
  result<void> pre_position();
  result<void> copy_ram();
  result<bool> hear_source();
  result<void> look_at_stream();
  void ask_to_arm();
  result<void> look_at_arming();
  result<void> take_all();
  result<void> switch_over();
  result<bool> hear_switch();
  void adjust_bandwidth(const stream_view& view);
  void await_first_request();
  result<void> alive(bool source_too = true);
  void note(const qmp::heard& x, bool at_source);

  vm_end finish();
  vm_end undo(fault why);
  vm_end take_back(fault why);
  vm_end settle(fault why);
  std::optional<vm_end> settle_once(const fault& why, bool late);
  vm_end stay_there(std::optional<fault> why);
  vm_end stay_here(fault why, bool start_again);
  vm_end give_up(fault why);
  std::optional<vm_end> start_there(const fault& why);
  result<void> return_volumes();
  result<void> cancel_stream();
  result<void> run_here(bool start_again);
  bool never_ran_there();
  void write_account();
  void phase(const char* name, std::int64_t from_us, std::int64_t to_us);

  qemu_port& source_;
  qemu_port& destination_;
  std::vector<std::unique_ptr<volume_port>>& volumes_;
  vm_clock& clock_;
  const vm_migration_options options_;

  /// Wall times, microseconds; 0: not yet. QEMU's own where it told them.
  struct {
    std::int64_t asked = 0, ready = 0, stop = 0, pre = 0, taken = 0, device = 0, completed = 0,
                 resume = 0, first = 0;
  } at_;
  bool was_running_ = true;
  bool began_ = false; ///< The RAM stream.
  bool asked_to_arm_ = false;
  bool armed_ = false;
  std::optional<stream_state> told_; ///< The source's last MIGRATION event, as a state.
  bool released_ = false;            ///< The destination's QEMU may run the guest.
  bool arrived_ = false;             ///< The destination's: completed.
  std::int64_t pass_ = 0;
  std::optional<std::uint64_t> requests_before_; ///< Of the destination's disks.
  std::uint64_t drain_us_ = 0, promote_us_ = 0;
  ram_pace pace_;
  bool watched_ = true; ///< The destination's monitor from before its guest could run.
  std::optional<std::int64_t> source_lag_us_, destination_lag_us_;
  vm_account account_;
};

/// What to do about a guest after migrate-continue, from what both sides say; a side that does not
/// answer is empty.
struct switch_view {
  std::optional<guest_state> source, destination;
};
enum class switch_verdict {
  keep,  ///< It runs at the destination.
  back,  ///< The source has it and goes on.
  start, ///< It is whole at the destination and only has to be started.
  wait,  ///< On the way.
  lost,  ///< Nobody has it, unless it is known never to have run at the destination.
};
switch_verdict judge(const switch_view& now);

} // namespace foreshift
