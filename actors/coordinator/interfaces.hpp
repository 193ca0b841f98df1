// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/verbs.hpp"
#include "actors/coordinator/messages.hpp"

namespace foreshift::control {

template <class Reply, class... Request>
using asks = compat::signature<Reply, Request...>;
template <class... Message>
using takes = compat::one_way<Message...>;
using ack = packet<schema::Done>;

// -- actors
// ----------------------------------------------------------------------------------------

/// Whoever wants to know each change of volumes and hosts; gets all of them once when it
/// subscribes.
using watcher_actor = caf::typed_actor<takes<volume_changed>, takes<host_changed>>;
struct subscribe {
  watcher_actor who;
};

/// Owns the store; blocks on its disk. Every transaction is guarded by the leadership token.
///   txn_ptr -> the new revision.  range_request -> the records, sorted.
using authority_actor =
    caf::typed_actor<asks<std::uint64_t, txn_ptr>, asks<stored_ptr, range_request>>;

/// Notes what operators may want to know, bounded and durable.
///   EventsGet waits for something newer when asked to.  tick: end waits that are over.
using events_verbs = verbs<verb<schema::EventsGet, schema::Events>>;
using events_actor = events_verbs::actor::extend<takes<event_note>, takes<tick>>;

/// Which hosts there are and whether they live; the way to their agents.
///   HostHello, HostReport; host_forget: one that is down; host_drain_mark: durable.
///   relay -> the agent's answer to any verb.  tick: who has been silent too long.
using host_verbs =
    verbs<verb<schema::HostHello, schema::HostWelcome>, verb<schema::HostReport, schema::Done>>;
using membership_actor =
    host_verbs::actor::extend<asks<ack, host_forget>, asks<ack, host_drain_mark>,
                              asks<sealed, relay>, takes<subscribe>, takes<tick>>;

/// Volumes, their leases and placements: memory over the authority.
///   VolumeCreate, VolumeSet, VolumeDelete.  facts_request -> what the store says of a volume,
///   peers included. commit_request -> revision: a guarded change of a volume's records.
using volume_verbs =
    verbs<verb<schema::VolumeCreate, schema::VolumeInfo>,
          verb<schema::VolumeSet, schema::VolumeInfo>, verb<schema::VolumeDelete, schema::Done>>;
using catalog_actor =
    volume_verbs::actor::extend<asks<facts_ptr, facts_request>, asks<std::uint64_t, commit_request>,
                                takes<subscribe>, takes<host_changed>, takes<volume_changed>>;

/// Takes what the board proposes for the background, and does it.
using proposals_actor = caf::typed_actor<takes<proposals_ptr>>;

/// Forecasts, affinity scores and plans.
///   ForecastReport; AffinityGet, HotGet, PlanGet, TargetsGet.  survey_request -> survey_ptr.
///   intents_ptr: announced moves, from the herald.  pasts_ptr: what promises rest on.
///   visits_ptr: where volumes went.
///   cycle_request -> the phases of the last cycle, timed.  tick: one cycle.
using forecast_verbs = verbs<verb<schema::ForecastReport, schema::Done>>;
using insight_verbs =
    verbs<verb<schema::AffinityGet, schema::AffinityMatrix>, verb<schema::HotGet, schema::Hot>,
          verb<schema::PlanGet, schema::Plan>, verb<schema::TargetsGet, schema::Targets>>;
using board_actor =
    caf::typed_actor<asks<ack, packet<schema::ForecastReport>>,
                     asks<packet<schema::AffinityMatrix>, packet<schema::AffinityGet>>,
                     asks<packet<schema::Hot>, packet<schema::HotGet>>,
                     asks<packet<schema::Plan>, packet<schema::PlanGet>>,
                     asks<packet<schema::Targets>, packet<schema::TargetsGet>>, takes<intents_ptr>,
                     takes<pasts_ptr>, takes<visits_ptr>, asks<survey_ptr, survey_request>,
                     asks<cycle_ptr, cycle_request>, takes<proposals_actor>, takes<flip_measured>,
                     takes<volume_changed>, takes<host_changed>, takes<tick>>;

/// The herald, for those who announce moves themselves.
using announcer_actor =
    caf::typed_actor<asks<packet<schema::Intents>, packet<schema::Announce>>,
                     asks<packet<schema::Intents>, packet<schema::AnnounceWithdraw>>>;

/// Runs tasks, and every machine of core/lease in a runner of its own.
///   VolumeAttach, VolumeDetach, FlipStart answer when the task has ended; MigrateStart at once.
///   MigrateStep: see there.
///   run_due: the tokens for a move are there.
///   From runners: load_order -> facts_ptr, section_left, run_note, run_ended.
///   HostDrain, HostRemove: tasks of a host, answered at once.  HostUndrain.
///   From migrators and the like: move_order, retire_order, flip_order, and for repair loss_order,
///   return_order, relocate_order, sweep_order -> how the run ended; world_request;
///   announcer_actor: whom drains announce to.
///   wish_order: a flip for a client that waits, unless something else is at work on the volume.
///   stop_moves: cancel the volume's moves; task_update, task_ended.  tick: heal what was left
///   over.
using task_verbs =
    verbs<verb<schema::VolumeAttach, schema::Task>, verb<schema::VolumeDetach, schema::Task>,
          verb<schema::FlipStart, schema::Task>, verb<schema::MigrateStart, schema::Task>,
          verb<schema::MigrateStep, schema::Task>,
          verb<schema::CalibrationGet, schema::Calibration>, verb<schema::TaskList, schema::Tasks>,
          verb<schema::TaskShow, schema::Task>, verb<schema::TaskCancel, schema::Task>,
          verb<schema::HostDrain, schema::Task>, verb<schema::HostUndrain, schema::Done>,
          verb<schema::HostRemove, schema::Task>>;
using conductor_actor = task_verbs::actor::extend<
    asks<facts_ptr, load_order>, takes<section_left>, takes<run_note>, takes<run_ended>,
    asks<finish_ptr, move_order>, asks<finish_ptr, retire_order>, asks<finish_ptr, loss_order>,
    asks<finish_ptr, return_order>, asks<finish_ptr, relocate_order>, asks<finish_ptr, flip_order>,
    asks<finish_ptr, sweep_order>, asks<world_ptr, world_request>, takes<wish_order>,
    takes<announcer_actor>, takes<run_due>, takes<stop_moves>, takes<task_update>,
    takes<task_ended>, asks<activity, activity_request>, takes<volume_changed>, takes<host_changed>,
    takes<tick>>;

/// Keeps announced moves.
///   Announce, AnnounceWithdraw, AnnounceList.  LeaseWanted: a client at an announced host asks for
///   the lease by its write.  GuestExpected: a VM arrives, its volumes are announced.  tick: tell
///   their hosts.
using herald_verbs =
    verbs<verb<schema::Announce, schema::Intents>, verb<schema::AnnounceWithdraw, schema::Intents>,
          verb<schema::AnnounceList, schema::Intents>>;
using wish_verbs =
    verbs<verb<schema::LeaseWanted, schema::Done>, verb<schema::GuestExpected, schema::Done>>;
using herald_actor =
    herald_verbs::actor::extend<asks<ack, packet<schema::LeaseWanted>>,
                                asks<ack, packet<schema::GuestExpected>>, takes<volume_changed>,
                                takes<host_changed>, takes<tick>>;

/// Hosts one machine and does what it asks.  tick: start.
/// run_word: what a held flip listens for.
using runner_actor =
    caf::typed_actor<takes<tick>, takes<run_cancel>, takes<run_word>, takes<run_pause_over>>;

/// Drives one migration, or one drain of a host.  tick: decide what is next.  run_cancel: stop
/// cleanly.  run_arm: of a held migration, flip as soon as the gate allows.
using migrator_actor = caf::typed_actor<takes<tick>, takes<run_cancel>, takes<run_arm>>;

/// Keeps replicas whole.
///   ReplicasSuspected.  tick: who returns, and what has been missing for too long.
using mender_verbs = verbs<verb<schema::ReplicasSuspected, schema::Done>>;
using mender_actor =
    mender_verbs::actor::extend<takes<volume_changed>, takes<host_changed>, takes<tick>>;

/// Says whether everything is as it should be.
///   CellExamine -> Diagnosis, in seconds.
using doctor_verbs = verbs<verb<schema::CellExamine, schema::Diagnosis>>;
using doctor_actor = doctor_verbs::actor;

/// One examination.  tick -> Diagnosis: does it, then ends.
using examination_actor = caf::typed_actor<asks<packet<schema::Diagnosis>, tick>>;

/// Answers what is put together from several actors.
///   StatusGet, HostList, HostShow, HostOkToStop, VolumeList, VolumeShow.  ScrubStart: tells the
///   host.  care_ptr: from the mender.
using directory_verbs =
    verbs<verb<schema::StatusGet, schema::Status>, verb<schema::HostList, schema::Hosts>,
          verb<schema::HostShow, schema::Host>, verb<schema::HostOkToStop, schema::StopEffects>,
          verb<schema::VolumeList, schema::Volumes>, verb<schema::VolumeShow, schema::VolumeInfo>,
          verb<schema::ScrubStart, schema::Done>>;
using directory_actor =
    directory_verbs::actor::extend<takes<volume_changed>, takes<host_changed>, takes<care_ptr>>;

} // namespace foreshift::control

FORESHIFT_LOCAL_MESSAGE(foreshift::control::subscribe)
