// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/limits/slowdown_pacer.hpp"
#include "core/vm/account.hpp"
#include "core/vm/qmp_client.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What a VM's migration does to the world, as interfaces: QEMU and the leases of its volumes.
namespace foreshift {

/// QEMU's word for what its guest does.
enum class guest_state {
  running,
  paused,   ///< Stopped; also before the first start.
  incoming, ///< Waits for a migration to come in.
  leaving,  ///< Stopped while the last of it is sent.
  left,     ///< Sent; must not run here again unless the destination never did.
  broken,   ///< Shut down, crashed or in an error.
};

/// QEMU's word for how far a migration is.
enum class stream_state {
  none,
  active,
  pre_switchover, ///< The guest is stopped and QEMU waits for `proceed`.
  device,         ///< Going on from there.
  completed,
  failed,
  canceled,
};

struct stream_view {
  stream_state state = stream_state::none;
  std::uint64_t sent_bytes = 0;      ///< Of RAM, over the wire.
  std::uint64_t remaining_bytes = 0; ///< Of this pass.
  std::uint64_t rate_bytes = 0;      ///< Per second, of late.
  std::uint64_t dirty_bytes = 0;     ///< Written by the guest per second, where it is known.
  std::string why;                   ///< Of `failed`.
};

struct stream_options {
  std::uint64_t bandwidth_bytes = 0; ///< Per second, at most; 0: unlimited.
  std::uint64_t downtime_ms = 0;     ///< QEMU's downtime-limit; 0: as it is.
};

/// What a guest's disks came to since its QEMU started.
struct disk_totals {
  std::uint64_t requests = 0;    ///< Finished, of any kind.
  foreground_totals transfers{}; ///< Reads and writes among them.
};

/// One QEMU. Calls block, each within a limit of its own. `unreachable`: its monitor is gone.
class qemu_port {
public:
  virtual ~qemu_port() = default;
  virtual result<guest_state> guest() = 0;
  virtual result<stream_view> stream() = 0;
  virtual result<std::uint64_t> ram_bytes() = 0;
  /// Sets what a migration out of it needs: events, and a stop before the switchover.
  virtual result<void> prepare_source(const stream_options& how) = 0;
  virtual result<void> prepare_destination() = 0;
  /// Listens, unless it does already, and returns the address to migrate to.
  virtual result<std::string> accept(const std::string& uri) = 0;
  virtual result<void> begin(const std::string& uri) = 0;
  /// Of the RAM stream, also while it runs; bytes a second, 0: unlimited.
  virtual result<void> set_bandwidth(std::uint64_t bytes) = 0;
  /// Tells it to go on and does not wait: QEMU answers late, being at work. `proceed` tells how it
  /// went.
  virtual void ask_to_proceed() = 0;
  /// Goes on from pre-switchover; also if nobody has asked before.
  virtual result<void> proceed() = 0;
  virtual result<void> cancel() = 0;
  /// Of a guest that is still to come in: it will run once it is there.
  virtual result<void> resume() = 0;
  /// Of a guest that is still to come in: it will wait for `resume`.
  virtual result<void> pause() = 0;
  virtual result<void> quit() = 0;
  virtual result<disk_totals> disks() = 0;
  virtual result<std::optional<qmp::heard>> next_event(std::chrono::milliseconds timeout) = 0;
};

struct take_times {
  std::uint64_t drain_us = 0;   ///< The source finished and flushed what was in flight.
  std::uint64_t promote_us = 0; ///< Every partition host answered, the destination serves.
};

/// The lease of one of the VM's volumes. Calls block until the coordinator has answered or has been
/// silent for long (`unreachable`: the outcome is unknown); any other fault is a no.
class volume_port {
public:
  virtual ~volume_port() = default;
  virtual std::string name() const = 0;
  /// Starts to pre-position it.
  virtual result<void> begin(std::uint64_t ram_bytes, std::uint64_t bandwidth_bytes) = 0;
  /// Whether its gate is met. A fault: its task has ended.
  virtual result<bool> ready() = 0;
  /// Asks for everything that comes before the takeover and does not wait.
  virtual void ask_to_arm() = 0;
  /// Whether that is done; does not block.
  virtual result<bool> armed() = 0;
  /// Asks for the takeover and does not wait: others are asked meanwhile. `take` tells how it went.
  virtual void ask_to_take() = 0;
  /// The destination becomes primary; also if nobody has asked before, or the answer was lost.
  virtual result<take_times> take() = 0;
  /// The source's hold ends; for good.
  virtual result<void> keep(const vm_account& account) = 0;
  /// The source is, stays or becomes primary, whatever was done before. Again on a fault.
  virtual result<void> give_back(const vm_account& account) = 0;
};

/// Time, and whether the operator wants to stop.
class vm_clock {
public:
  virtual ~vm_clock() = default;
  virtual std::int64_t wall_us() = 0;
  virtual void sleep(std::chrono::milliseconds span) = 0;
  virtual bool interrupted() = 0;
  virtual void say(const std::string& what) = 0; ///< Progress, for people.
};

} // namespace foreshift
