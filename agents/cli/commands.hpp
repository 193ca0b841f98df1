// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agents/cli/session.hpp"

#include <cstdint>
#include <string>
#include <vector>

// What each command does, after its arguments have been read. Each prints its answer and returns
// the exit code (see exit_code in core/base/error.hpp).
namespace foreshift::cli {

int show_status(session& s);
/// Examines the cell; 1 when something fails that was not repaired.
int examine_cell(session& s, bool repair);

int list_hosts(session& s);
int show_host(session& s, const std::string& name);
int ok_to_stop_host(session& s, const std::string& name);
int drain_host(session& s, const std::string& name, const std::string& to, bool no_wait);
int undrain_host(session& s, const std::string& name);
int remove_host(session& s, const std::string& name, bool lost, bool no_wait);

int start_scrub(session& s, const std::string& host, bool full);
int show_scrub(session& s);

struct create_request {
  std::string name;
  std::string size; ///< As typed; a size that is not whole is a usage error.
  unsigned replicas = 1;
  std::vector<std::string> homes;
  std::string extent = "1MiB";
  std::string partition = "64MiB";
  bool implicit_flip = false;
  std::string follow = "cell";
};
int create_volume(session& s, const create_request& what);
int list_volumes(session& s);
int show_volume(session& s, const std::string& name);
/// Changes one key of its policy.
int set_volume(session& s, const std::string& name, const std::string& key,
               const std::string& value);
int delete_volume(session& s, const std::string& name);
int attach_volume(session& s, const std::string& name, const std::string& host, bool force);
int detach_volume(session& s, const std::string& name, bool force);

int show_affinity(session& s, const std::string& volume);
int show_ledger(session& s, const std::string& volume);
int show_hot(session& s, const std::string& volume, std::uint32_t top);
int show_plan(session& s, const std::string& volume, const std::string& to,
              const std::string& budget);

struct migrate_request {
  std::vector<std::string> volumes;
  std::string to;
  std::string gate = "90%";
  std::string timeout = "60s";
  bool no_preposition = false;
  bool no_wait = false;
  // Of a VM:
  std::string qmp, qmp_dest;    ///< Unix sockets of the monitors of both QEMUs.
  std::string ram_uri;          ///< Where the destination's QEMU listens; empty: it chooses a port.
  std::string bandwidth;        ///< Of the RAM stream, bytes a second at most; empty: unlimited.
  std::string slowdown = "75%"; ///< Of the VM's disk requests while its RAM is copied.
  std::string downtime;         ///< QEMU's downtime-limit; empty: as it is.
  bool recover = false;
};
/// What the coordinator is asked for one of the volumes.
result<packet<schema::MigrateStart>> encode(const migrate_request& what, const std::string& volume);
/// Migrates a running VM with its volumes; Ctrl-C brings it back to the source.
int migrate_vm(session& s, const migrate_request& what);
/// Starts a migration and follows it to its end; Ctrl-C cancels it and waits for the clean end.
int migrate(session& s, const migrate_request& what);
int flip(session& s, const std::string& volume, const std::string& to, bool force);

struct announce_request {
  std::string volume;
  std::string to;
  std::string by; ///< From now; empty: no hurry.
  bool no_copy = false;
  bool list = false;
  bool withdraw = false;
};
/// Announces a move, or lists or withdraws what is announced.
int announce(session& s, const announce_request& what);

struct notify_request {
  std::string agent = "127.0.0.1:7401";
  std::string domain;
  std::string what; ///< arriving, started, stopped, leaving
  std::vector<std::string> volumes;
};
/// Tells the host's agent what becomes of a VM.
int notify(session& s, const notify_request& what);

int show_targets(session& s, const std::string& volume);
/// The best host a volume could go to.
result<std::string> best_target(session& s, const std::string& volume);

/// Promises of VMs' migrations against what came true.
int show_calibration(session& s);
int list_tasks(session& s, bool all);
int show_task(session& s, std::uint64_t id);
int cancel_task(session& s, std::uint64_t id);

int show_events(session& s, std::uint64_t after, std::uint32_t limit, bool follow);

/// Follows a task that was started, until it ends, and reports it; Ctrl-C cancels it and waits for
/// the clean end.
int follow_task(session& s, const packet<schema::Task>& task);

/// Checks a recorded history (core/history/file.hpp) without asking anyone.
int check_history(session& s, const std::string& path);

/// Prints a task that has ended (or runs); its fault, if it failed, goes to standard error. Returns
/// the exit code that its outcome stands for.
int report_task(session& s, const packet<schema::Task>& task);

} // namespace foreshift::cli
