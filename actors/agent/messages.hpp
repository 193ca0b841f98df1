// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/verbs.hpp"
#include "core/telemetry/guest_sample.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/plane.capnp.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace foreshift {

/// Internal alarms and orders of the agent's actors; each interface says what they do there.
struct tick_alarm {};
struct save_alarm {};
struct drain_alarm {};
struct job_alarm {
  std::uint64_t job = 0;
};
struct flush_order {};
/// What sources of VMs' metrics said, and those that said nothing.
struct guests_seen {
  guest_samples samples;
  std::vector<std::string> missing;
};
using guests_ptr = std::shared_ptr<const guests_seen>;
struct stop_order {};

using status_verb = verb<schema::AgentStatusGet, schema::AgentStatus>;

/// What an agent asks of its data plane.
using plane_verbs =
    verbs<verb<schema::Ping, schema::Pong>, verb<schema::PlaneStatusGet, schema::PlaneStatus>,
          verb<schema::PlaneLogGet, schema::PlaneLog>, verb<schema::PlanePull, schema::PlanePulled>,
          verb<schema::PlaneSuspectsWait, schema::PlaneSuspects>>;
using plane_actor = plane_verbs::actor;

/// What an agent tells a coordinator.
using coordinator_verbs =
    verbs<verb<schema::HostHello, schema::HostWelcome>, verb<schema::HostReport, schema::Done>,
          verb<schema::ForecastReport, schema::Done>, verb<schema::ReplicasSuspected, schema::Done>,
          verb<schema::LeaseWanted, schema::Done>, verb<schema::GuestExpected, schema::Done>>;
using coordinator_actor = coordinator_verbs::actor;

/// The agent's durable memory.
///   PlaneLog       -> Done: appends access records to the history, within its retention.
///   ForecastState  -> Done: keeps the latest state of a volume's forecaster.
///   ForecastTake   -> that state, or `not_found`.
///   HostWelcome    -> AgentStatus: keeps its token if it is the highest seen; `token` is the
///   highest. AgentStatusGet -> AgentStatus: size of the history and the highest token.
using vault_verbs =
    verbs<verb<schema::PlaneLog, schema::Done>, verb<schema::ForecastState, schema::Done>,
          verb<schema::ForecastTake, schema::ForecastState>,
          verb<schema::HostWelcome, schema::AgentStatus>, status_verb>;
using vault_actor = vault_verbs::actor;

/// Learns and predicts accesses, volume by volume.
///   PlaneLog      -> Done: learns from access records, in order.
///   ForecastTake  -> ForecastState: what it knows of a volume; `not_found`.
///   ForecastCarry -> Done: takes over what another host knew; durable.
///   PlaneStatus: which volumes are primary here, and their sizes.
///   HostReport: what the VCIs of this host do. HostWelcome: horizon and interval the coordinator
///   asks for.
///   tick_alarm: predict. save_alarm: persist what changed. flush_order -> Done: persist it now.
///   drain_alarm: answer who was made to wait because learning takes too much of the CPU.
using carry_verbs = verbs<verb<schema::ForecastTake, schema::ForecastState>,
                          verb<schema::ForecastCarry, schema::Done>>;
using forecasts_actor = carry_verbs::actor::extend<
    compat::signature<packet<schema::Done>, packet<schema::PlaneLog>>,
    compat::one_way<packet<schema::PlaneStatus>>, compat::one_way<packet<schema::HostReport>>,
    compat::one_way<packet<schema::HostWelcome>>, compat::one_way<tick_alarm>,
    compat::one_way<save_alarm>, compat::one_way<drain_alarm>,
    compat::signature<packet<schema::Done>, flush_order>>;

/// Copies staged extents to this host in the background.
///   AgentMove  -> AgentMoved: once every extent is here; `busy` when too many moves wait.
///   HostWelcome: the rate that the coordinator allows this host.
///   job_alarm: go on with that job.
using move_verbs = verbs<verb<schema::AgentMove, schema::AgentMoved>>;
using mover_actor =
    move_verbs::actor::extend<status_verb::signature, compat::one_way<packet<schema::HostWelcome>>,
                              compat::one_way<job_alarm>>;

/// The agent's link to whichever coordinator answers.
///   HostReport -> HostWelcome: takes the latest measurements; answers what the coordinator last
///   asked for (all zero while there is none). ForecastReport, ReplicasSuspected,
///   LeaseWanted: passed on, dropped while there is no coordinator. GuestExpected -> Done: passed
///   on, `unreachable` while there is none. tick_alarm: say hello or report, whichever is due.
using uplink_actor = verbs<verb<schema::HostReport, schema::HostWelcome>, status_verb,
                           verb<schema::GuestExpected, schema::Done>>::actor::
    extend<compat::one_way<packet<schema::ForecastReport>>,
           compat::one_way<packet<schema::ReplicasSuspected>>,
           compat::one_way<packet<schema::LeaseWanted>>, compat::one_way<tick_alarm>>;

/// Measures the host, its storage service and its VCIs, and drains the access log.
///   tick_alarm: measure. drain_alarm: take records out of the data plane. guests_ptr: the latest
///   of VMs from inside.
using collector_actor = caf::typed_actor<compat::one_way<tick_alarm>, compat::one_way<drain_alarm>,
                                         compat::one_way<guests_ptr>>;

/// Measures VMs through QEMU's monitors and libvirt.
///   tick_alarm: ask them.
using watcher_actor = caf::typed_actor<compat::one_way<tick_alarm>>;

/// Hears from tools on this host what becomes of VMs.
///   GuestNote -> Done: once the coordinator has done what follows from it.
using porter_verbs = verbs<verb<schema::GuestNote, schema::Done>>;
using porter_actor = porter_verbs::actor;

/// Keeps one data plane running.
///   tick_alarm: look after it. stop_order -> Done: end it; answered once it has ended.
using supervisor_actor =
    verbs<status_verb>::actor::extend<compat::one_way<tick_alarm>,
                                      compat::signature<packet<schema::Done>, stop_order>>;

/// Hears from the data plane what it waits for, replicas and leases, and tells the coordinator.
///   tick_alarm: ask the data plane, which answers when something has changed. job_alarm: tell the
///   coordinator again while what that job told of remains.
using sentinel_actor = caf::typed_actor<compat::one_way<tick_alarm>, compat::one_way<job_alarm>>;

/// Looks at the host: ports of other hosts, certificates, clock, versions.
using examiner_verbs = verbs<verb<schema::HostExamine, schema::HostExamined>>;
using examiner_actor = examiner_verbs::actor;

/// Tells how the agent is.
using status_verbs = verbs<status_verb>;
using status_actor = status_verbs::actor;

} // namespace foreshift

FORESHIFT_LOCAL_MESSAGE(foreshift::tick_alarm)
FORESHIFT_LOCAL_MESSAGE(foreshift::save_alarm)
FORESHIFT_LOCAL_MESSAGE(foreshift::drain_alarm)
FORESHIFT_LOCAL_MESSAGE(foreshift::job_alarm)
FORESHIFT_LOCAL_MESSAGE(foreshift::flush_order)
FORESHIFT_LOCAL_MESSAGE(foreshift::guests_ptr)
FORESHIFT_LOCAL_MESSAGE(foreshift::stop_order)
