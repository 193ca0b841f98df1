// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/options.hpp"
#include "actors/coordinator/task_book.hpp"
#include "actors/coordinator/volume_info.hpp"
#include "core/base/clock.hpp"
#include "core/lease/flip_machine.hpp"
#include "core/lease/repair.hpp"
#include "core/limits/move_limits.hpp"

#include <caf/typed_response_promise.hpp>

#include <deque>
#include <functional>
#include <map>
#include <set>

namespace foreshift::control {

struct conductor_parts {
  authority_actor authority;
  catalog_actor catalog;
  membership_actor membership;
  board_actor board;
  events_actor events;
};

/// Tasks on one side, machines on the other. At most one lease-changing task a volume.
class conductor_state {
public:
  using interface = conductor_actor;
  using task_promise = caf::typed_response_promise<packet<schema::Task>>;
  using facts_promise = caf::typed_response_promise<facts_ptr>;
  using finish_promise = caf::typed_response_promise<finish_ptr>;

  static constexpr const char* name = "conductor";

  conductor_state(interface::pointer self, conductor_parts around, const clock_source& clock,
                  policy rules);

  interface::behavior_type make_behavior();

private:
  enum class run_kind { flip, move, retire, loss, sweep };
  struct run {
    run_kind kind = run_kind::flip;
    std::uint64_t volume = 0;
    std::uint64_t task = 0; ///< Flip: whose.
    std::uint64_t move = 0; ///< Move: its id.
    std::string from, to;   ///< Move: between whom. Loss: `from`.
    runner_actor actor;     ///< Invalid while it waits for tokens.
    std::unique_ptr<lease::machine> waiting;
    std::function<void(finish_ptr)> then;
    std::int64_t began_ms = 0, began_ns = 0;
  };
  /// What a VM's migration has reached, what it has been told, and who waits for what.
  struct held_task {
    bool promised = false, armed = false, taken = false, go = false;
    lease::word verdict = lease::word::silence;
    std::vector<std::pair<schema::MigrateStage, task_promise>> waiting;
    vm_prospect prospect;
  };
  /// A volume's map section (one run at a time between a map's commit and its adoption), and who
  /// waits for its moves to end.
  struct section {
    std::uint64_t owner = 0;
    std::deque<std::pair<std::uint64_t, facts_promise>> queue;
    std::vector<std::pair<std::uint64_t, facts_promise>> settling;
  };

  // conductor.cpp: what operators ask for
  void recover();
  task_promise attach(const packet<schema::VolumeAttach>& x);
  task_promise detach(const packet<schema::VolumeDetach>& x);
  task_promise flip(const packet<schema::FlipStart>& x);
  caf::result<packet<schema::Task>> migrate(const packet<schema::MigrateStart>& x);
  void grant(const wish_order& x);
  caf::result<packet<schema::Task>> show(std::uint64_t id);
  caf::result<packet<schema::Task>> cancel(std::uint64_t id);
  result<task> prepare_task(schema::TaskKind kind, const std::string& volume,
                            const std::string& to);
  result<void> check_destination(const std::string& to) const;
  task_promise run_to_end(result<task> x, bool forced);
  task& open_task(task x);

  // conductor_repair.cpp: lost replicas
  caf::result<finish_ptr> lose(const loss_order& x);
  void lose_replica(const loss_order& x, std::function<void(finish_ptr)> then);
  void settle_doubt(const std::string& host, schema::PlaneVolume::Reader row);
  bool longer_doubted(const volume_entry& volume, const std::string& than,
                      std::uint64_t doubt) const;
  caf::result<finish_ptr> bring_back(const return_order& x);
  caf::result<finish_ptr> relocate(const relocate_order& x);
  caf::result<finish_ptr> sweep_now(const sweep_order& x);
  void answer_with_move(finish_promise reply, const move_order& x);
  void move_elsewhere(finish_promise reply, const relocate_order& x, const std::string& source,
                      const roaring::Roaring& busy);
  lease::replica_hosts places() const;

  // conductor_hosts.cpp: tasks of a host
  caf::result<packet<schema::Task>> drain(const packet<schema::HostDrain>& x);
  caf::result<ack> undrain(const packet<schema::HostUndrain>& x);
  caf::result<packet<schema::Task>> remove(const packet<schema::HostRemove>& x);
  result<host_ptr> find_host(const std::string& host) const;
  const task* task_of_host(const std::string& host);
  task& begin_host_task(schema::TaskKind kind, const std::string& host, const std::string& to);
  void drive(const task& x);
  std::optional<fault> why_not_removed(const std::string& host, bool lost) const;

  // conductor_held.cpp: migrations of VMs, which wait for their tool's word
  caf::result<packet<schema::Task>> step(const packet<schema::MigrateStep>& x);
  void promise(task& x, std::uint64_t bytes);
  void speak(std::uint64_t task, lease::word what);
  void answer_steps(const task& x);
  packet<schema::Calibration> calibration() const;

  // conductor_tasks.cpp: their progress and end
  enum class flip_kind { plain, forced, reattach, held, yielding };
  void start_flip(task& x, flip_kind kind, std::function<void(finish_ptr)> then);
  void carry_forecast(const task& x);
  void update(const task_update& x);
  void end_task(std::uint64_t id, const finish_ptr& flipped, const std::optional<fault>& why);
  void tell_board() const;
  void save(const task& x);
  void note(std::string level, std::string subject, std::string text);
  activity activity_now() const;

  // conductor_runs.cpp: machines
  static const char* name_of(run_kind kind);
  std::uint64_t open_run(run x, std::unique_ptr<lease::machine> what);
  void launch(std::uint64_t id);
  void run_over(const run_ended& x);
  void cancel_runs(std::uint64_t volume, const std::function<bool(const run&)>& which);
  void cancel_moves(std::uint64_t volume);
  bool moving(std::uint64_t volume) const;
  bool flipping(std::uint64_t volume) const;
  caf::result<facts_ptr> load(const load_order& x);
  void deliver_facts(std::uint64_t volume, facts_promise reply);
  void leave_section(std::uint64_t who);
  void check_settled(std::uint64_t volume);
  caf::result<finish_ptr> move(const move_order& x);
  result<void> start_move(const move_order& x, std::function<void(finish_ptr)> then);
  caf::result<finish_ptr> retire(const retire_order& x);
  caf::result<finish_ptr> flip_of(const flip_order& x);
  void noted(const run_note& x);
  std::optional<std::uint64_t> take_move_id();
  void reserve_move_ids();

  // conductor_heal.cpp: what crashes and lost messages leave behind
  void changed(const volume_ptr& now);
  void reported(const host_ptr& now);
  void check_row(const host_entry& host, schema::PlaneVolume::Reader row);
  void alarm(const host_ptr& former, const host_entry& now); // conductor_alarms.cpp
  bool misses_lease(const host_entry& host, const volume_entry& volume);
  void heal();
  void heal(const volume_entry& x);
  void close_orphan(std::uint64_t task);
  void reattach(const volume_entry& x);
  bool may_retire(const volume_entry& x) const;
  void sweep(const std::string& host, std::uint64_t volume);
  void launch_sweep(const std::string& host, std::uint64_t volume,
                    std::function<void(finish_ptr)> then);
  void tell(const std::string& host, door::envelope request);

  interface::pointer self_;
  const conductor_parts around_;
  const clock_source& clock_;
  const policy rules_;
  announcer_actor herald_;
  task_book book_;
  std::map<std::uint64_t, std::vector<task_promise>> waiters_; ///< By task.
  std::map<std::uint64_t, migrator_actor> migrators_;          ///< By task.
  std::map<std::uint64_t, held_task> held_tasks_;              ///< Running ones, by task.
  std::map<std::uint64_t, run> runs_;
  std::map<std::uint64_t, section> sections_; ///< By volume.
  std::map<std::uint64_t, volume_ptr> volumes_;
  std::map<std::string, std::uint64_t> names_;
  std::map<std::string, std::set<std::uint64_t>> held_; ///< Volumes by holder.
  std::set<std::uint64_t> erased_; ///< Deleted volumes, for hosts that were away then.
  std::map<std::pair<std::string, std::uint64_t>, std::int64_t> swept_ns_;
  host_table hosts_;
  std::map<std::uint64_t, int> suspicions_; ///< Reports in a row that miss the holder's lease.
  std::set<std::uint64_t> orphans_;         ///< Running tasks of a former process.
  move_limits limits_;
  std::uint64_t last_run_ = 0;
  std::uint64_t next_move_ = 1;
  std::uint64_t moves_reserved_ = 0; ///< Ids below are ours to give out.
  bool reserving_ = false;
  std::deque<std::pair<std::int64_t, std::uint64_t>> moved_; ///< (when, bytes) of late.
  activity last_;
};

using conductor = hosted<conductor_state>;

} // namespace foreshift::control
