// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/codec/packet.hpp"
#include "core/lease/records.hpp"
#include "core/vm/promise.hpp"
#include "schemas/api.capnp.h"
#include "schemas/migration.capnp.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::control {

struct task_phase {
  std::string name;
  std::int64_t start_ms = 0;
  std::uint64_t duration_us = 0;
};

/// Long work that an operator watches (see Task).
struct task {
  std::uint64_t id = 0;
  schema::TaskKind kind = schema::TaskKind::FLIP;
  schema::TaskState state = schema::TaskState::RUNNING;
  std::uint64_t volume = 0;
  std::string name, from, to, phase;
  std::int64_t started_ms = 0, ended_ms = 0;
  double gate = 0, coverage = 0, coverage_at_flip = 0;
  std::uint64_t bytes_planned = 0, bytes_moved = 0, bytes_moved_in_flip = 0, eta_ms = 0, epoch = 0;
  lease::flip_times flip;
  std::vector<task_phase> phases;
  std::uint16_t error_code = 0;
  std::string error;
  bool cancel_requested = false;
  bool held = false; ///< Of a VM ...
  vm_promise promised;
  bool implicit = false; ///< A client's write asked for it.
  vm_account vm;         ///< ... with an outcome once its tool has told.

  bool running() const { return state == schema::TaskState::RUNNING; }
};

packet<schema::Task> encode(const task& x);
task decode_task(schema::Task::Reader in);
std::string task_key(std::uint64_t id);

/// Finished tasks kept for people to look at.
inline constexpr std::size_t tasks_kept_max = 1000;

/// Every task there is. Pure.
class task_book {
public:
  /// A new running task; its id is above every id seen.
  task& add(task x);
  /// One from the store.
  void restore(task x);
  /// Ids up to `id` are taken.
  void seen(std::uint64_t id);

  task* find(std::uint64_t id);
  /// The running task of a volume, of whatever kind; null if there is none.
  const task* running_of(std::uint64_t volume) const;
  std::vector<std::uint64_t> running() const;
  packet<schema::Tasks> list(bool all) const;
  /// Migrations of VMs that arrived, the latest last; of a VM with several volumes, one.
  std::vector<vm_past> vm_pasts() const;

  /// How often each volume was flipped or migrated to each host.
  std::map<std::uint64_t, std::map<std::string, std::uint32_t>> visits() const;

  /// Begins a phase, which ends the one before.
  void enter(task& x, std::string phase, std::int64_t now_ms, std::int64_t now_ns);
  /// `why` empty: done; `canceled`: canceled; else failed.
  void end(task& x, const std::optional<fault>& why, std::int64_t now_ms, std::int64_t now_ns);

  /// Forgets the oldest finished ones above the limit and tells which.
  std::vector<std::uint64_t> prune();

private:
  void close_phase(task& x, std::int64_t now_ns);

  std::map<std::uint64_t, task> tasks_;
  std::map<std::uint64_t, std::int64_t> phase_began_ns_;
  std::uint64_t last_ = 0;
};

} // namespace foreshift::control
