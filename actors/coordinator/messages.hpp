// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/courier.hpp"
#include "core/forecast/forecast.hpp"
#include "core/lease/machine.hpp"
#include "core/plan/planner.hpp"
#include "core/plan/speculation.hpp"
#include "core/store/store.hpp"
#include "core/vm/promise.hpp"
#include "core/volume/volume_policy.hpp"
#include "schemas/affinity.capnp.h"
#include "schemas/agent.capnp.h"
#include "schemas/api.capnp.h"
#include "schemas/door.capnp.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::control {

// -- values that travel between the coordinator's actors: immutable and shared --------------------

struct txn_request {
  std::vector<compare> compares;
  std::vector<store_op> ops;
};
using txn_ptr = std::shared_ptr<const txn_request>;
using stored_ptr = std::shared_ptr<const std::vector<stored>>;

/// What the catalog knows of a volume; its `facts.peers` is empty.
struct volume_entry {
  explicit volume_entry(lease::volume_facts x) : facts(std::move(x)) {}
  lease::volume_facts facts;
  std::int64_t created_ms = 0;
  volume_policy policy;
  bool erased = false;

  std::uint64_t id() const { return facts.shape().id; }
  const std::string& name() const { return facts.shape().name; }
};
using volume_ptr = std::shared_ptr<const volume_entry>;

/// What membership knows of a host.
struct host_entry {
  lease::host_address address;
  std::string version;
  bool up = false;
  bool dropped = false;
  bool draining = false; ///< Gets nothing new.
  std::int64_t seen_ms = 0;
  std::uint64_t reports = 0; ///< Since the coordinator started.
  packet<schema::HostReport> report;
};
using host_ptr = std::shared_ptr<const host_entry>;
using facts_ptr = std::shared_ptr<const lease::volume_facts>;
using finish_ptr = std::shared_ptr<const lease::finish>;
using forecast_ptr = std::shared_ptr<const forecast>;

/// What a migration or the background balance needs to know of one volume and one destination.
struct survey {
  bool forecast_known = false;
  double accesses_expected = 0;
  double coverage = 0;
  std::vector<planned_move> moves; ///< Best first; nothing that is in flight.
  std::uint64_t bytes = 0;
  bool destination_full = false;
};
using survey_ptr = std::shared_ptr<const survey>;

// -- messages; the interfaces say what they do there ---------------------------------------

struct tick {};
struct range_request {
  std::string prefix;
};
struct volume_changed {
  volume_ptr now;
};
struct host_changed {
  host_ptr now;
};

using host_table = std::map<std::string, host_ptr>;

/// Keeps a table of the hosts there are.
inline void follow(host_table& hosts, const host_changed& x) {
  if (x.now->dropped)
    hosts.erase(x.now->address.name);
  else
    hosts[x.now->address.name] = x.now;
}

struct relay {
  std::string host;
  sealed request;
  std::chrono::milliseconds timeout{0};
};
struct commit_request {
  std::uint64_t volume = 0;
  txn_ptr txn;
};
struct facts_request {
  std::uint64_t volume = 0;
};
struct event_note {
  std::string level, subject, text;
};
struct survey_request {
  std::uint64_t volume = 0;
  std::string to;
  std::vector<std::uint32_t> in_flight;
  double gain_min = 0;
  std::uint64_t budget_bytes = 0;
};
struct load_order {
  std::uint64_t run = 0;
  lease::load_kind kind = lease::load_kind::look;
};
struct section_left {
  std::uint64_t run = 0;
};
struct run_note {
  std::uint64_t run = 0;
  std::string phase;
  lease::flip_times times;
};
struct run_ended {
  std::uint64_t run = 0;
  finish_ptr how;
};
struct run_cancel {};
/// What a held flip is told.
struct run_word {
  lease::word what = lease::word::silence;
};
/// To a held migration's driver: the flip may be prepared now.
struct run_arm {};
struct run_pause_over {
  std::uint64_t id = 0;
};
struct run_due {
  std::uint64_t run = 0;
};
struct move_order {
  std::uint64_t volume = 0;
  std::string source, destination;
  std::vector<std::uint32_t> extents;
  bool background = false; ///< Refused while a task is at work on the volume.
  bool resync = false;     ///< The destination gets back what it lost.
};
struct retire_order {
  std::uint64_t volume = 0;
  std::string host;
  std::vector<std::uint32_t> extents;
  bool gone = false; ///< The host is gone for good and is not asked to free anything.
};
struct loss_order {
  std::uint64_t volume = 0;
  std::string host;
  std::uint64_t epoch = 0; ///< Of the primary that waits; 0: an operator asked.
  std::uint64_t doubt = 0; ///< The host's; see lease::loss_request.
};
/// What `host` keeps of the volume for no reason is freed now.
struct sweep_order {
  std::uint64_t volume = 0;
  std::string host;
};
/// One batch of what `host` lost comes back to it.
struct return_order {
  std::uint64_t volume = 0;
  std::string host;
};
/// One batch of `extents`, which leave `host` or have left it, gets a replica elsewhere.
struct relocate_order {
  std::uint64_t volume = 0;
  std::string host;
  roaring::Roaring extents;
};
/// Everything there is, as the conductor sees it.
struct world_request {};
struct world {
  std::map<std::uint64_t, volume_ptr> volumes;
  std::map<std::string, host_ptr> hosts;
};
using world_ptr = std::shared_ptr<const world>;
struct flip_order {
  std::uint64_t task = 0;
  bool held = false;
};
/// A client's write at `to` waits for the lease.
struct wish_order {
  std::uint64_t volume = 0;
  std::string to;
};
struct stop_moves {
  std::uint64_t volume = 0;
};
struct task_update {
  std::uint64_t task = 0;
  std::string phase;
  double coverage = 0;
  std::uint64_t bytes_planned = 0;
  std::uint64_t bytes_moved = 0;
  std::uint64_t eta_ms = 0;
};
struct task_ended {
  std::uint64_t task = 0;
  finish_ptr flip; ///< Null: it never came to a flip.
  std::optional<fault> why;
};
struct flip_measured {
  std::uint64_t total_us = 0;
};
struct host_drain_mark {
  std::string host;
  bool on = false;
};
struct host_forget {
  std::string host;
};
/// What is wrong with replicas and what is done about it.
struct care {
  std::vector<std::string> problems;
  std::map<std::pair<std::uint64_t, std::string>, std::string> lost; ///< By volume and host.
  friend bool operator==(const care&, const care&) = default;
};
using care_ptr = std::shared_ptr<const care>;
/// An announced move of a volume to a host.
struct intent {
  std::int64_t by_ms = 0; ///< Wall clock; 0: no hurry.
  std::int64_t since_ms = 0;
  bool no_copy = false;
};
/// Those to copy for: by volume, then by host.
using intents = std::map<std::uint64_t, std::map<std::string, intent>>;
using intents_ptr = std::shared_ptr<const intents>;
/// VMs' migrations that promises rest on.
using pasts_ptr = std::shared_ptr<const std::vector<vm_past>>;
struct activity_request {};
struct activity {
  std::uint32_t tasks_running = 0;
  std::uint64_t move_bytes_per_second = 0;
  std::uint64_t execute_us = 0; ///< Last batch of a move.
  std::int64_t execute_ms = 0;
  std::uint64_t migrate_us = 0; ///< Last flip.
  std::int64_t migrate_ms = 0;
};
struct cycle_request {};
struct cycle_phase {
  std::string name;
  std::int64_t start_ms = 0;
  std::uint64_t duration_us = 0;
};
struct cycle_report {
  std::vector<cycle_phase> phases;
  speculation_ledger::totals speculation;
};
using cycle_ptr = std::shared_ptr<const cycle_report>;
/// Where volumes went, by volume.
using visits_ptr = std::shared_ptr<const std::map<std::uint64_t, visit_counts>>;
/// What background work the last cycle found worth doing.
struct proposal {
  std::uint64_t volume = 0;
  std::vector<planned_move> moves;
  std::vector<std::pair<std::string, std::vector<std::uint32_t>>> retire;
};
using proposals_ptr = std::shared_ptr<const std::vector<proposal>>;

} // namespace foreshift::control

FORESHIFT_LOCAL_MESSAGE(foreshift::control::txn_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::stored_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::facts_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::finish_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::survey_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::cycle_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::proposals_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::intents_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::pasts_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::visits_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::tick)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::range_request)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::volume_changed)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::host_changed)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::relay)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::commit_request)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::facts_request)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::event_note)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::survey_request)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::load_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::section_left)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_note)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_ended)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_cancel)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_word)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_arm)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_pause_over)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::run_due)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::move_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::retire_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::loss_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::return_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::relocate_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::sweep_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::world_request)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::world_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::flip_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::wish_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::host_drain_mark)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::host_forget)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::care_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::stop_moves)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::task_update)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::task_ended)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::flip_measured)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::activity_request)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::activity)
FORESHIFT_LOCAL_MESSAGE(foreshift::control::cycle_request)
