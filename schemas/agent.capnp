# SPDX-License-Identifier: Apache-2.0
@0xb9f6a2c7ecfae05f;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");
using Telemetry = import "telemetry.capnp";
using Volume = import "volume.capnp";
using Plane = import "plane.capnp";
using Forecast = import "forecast.capnp";

# Between agents and coordinators.

struct HostHello {
  # -> HostWelcome. An agent introduces itself, at start and whenever it has lost its coordinator.
  address @0 :Volume.HostAddress;
  version @1 :Text;
  bootMs  @2 :Int64;
  plane   @3 :Plane.PlaneStatus;
}

struct HostWelcome {
  token          @0 :UInt64;   # leadership token; agents persist the highest and refuse lower ones
  reportMs       @1 :UInt32;   # how often to report
  forecastMs     @2 :UInt32;
  horizonMs      @3 :UInt32;
  moveRateBytes  @4 :UInt64;   # per second, per host
}

struct HostReport {
  # -> Done. The heartbeat.
  host    @0 :Text;
  atMs    @1 :Int64;
  sample  @2 :Telemetry.HostSample;
  nbsr    @3 :Telemetry.NbsrSample;
  vcis    @4 :List(Telemetry.VciSample);
  plane   @5 :Plane.PlaneStatus;
}

struct ReplicasSuspected {
  # -> Done. An agent to the coordinator, as soon as its data plane waits for a replica.
  reporter @0 :Text;
  suspects @1 :List(Plane.PlaneSuspect);
}

struct LeaseWanted {
  # -> Done. An agent to the coordinator: clients there write to volumes that are announced to move
  # there and whose lease is elsewhere. Ignored unless the volume's policy allows it.
  host    @0 :Text;
  volumes @1 :List(UInt64);
}

struct GuestNote {
  # -> Done. A tool on the host (libvirt's hook) tells what becomes of a VM there; nothing is asked
  # back. `arriving` announces its volumes to move here, without copying anything beforehand.
  domain  @0 :Text;
  what    @1 :Text;            # arriving, started, stopped, leaving
  volumes @2 :List(Text);      # export names of its disks that are ours
}

struct GuestExpected {
  # -> Done. An agent to the coordinator: a VM with these volumes is about to arrive there.
  host    @0 :Text;
  domain  @1 :Text;
  volumes @2 :List(Text);
}

struct ForecastReport {
  # -> Done.
  forecast @0 :Forecast.Forecast;
}

struct AgentMove {
  # -> AgentMoved. Coordinator to the destination's agent: pull these staged extents, within the
  # rate.
  volume    @0 :UInt64;
  move      @1 :UInt64;
  source    @2 :Volume.HostAddress;
  extents   @3 :List(UInt32);
  rateBytes @4 :UInt64;        # per second, upper bound for this move; 0: the host's own limit
  changed   @5 :Data;          # of a resync: PlanePull.changed; empty otherwise
}

struct AgentMoved {
  bytesCopied  @0 :UInt64;
  bytesSkipped @1 :UInt64;
  tookUs       @2 :UInt64;
  throttledUs  @3 :UInt64;     # of it, spent waiting for tokens
}

struct AgentStatusGet {
  # -> AgentStatus.
}

struct AgentStatus {
  host        @0 :Text;
  version     @1 :Text;
  pid         @2 :UInt32;
  planePid    @3 :UInt32;
  planeRestarts @4 :UInt32;
  coordinator @5 :Text;        # address; empty: none reachable
  logRecords  @6 :UInt64;      # access records stored
  logBytes    @7 :UInt64;      # on disk
  moveRateNow @8 :UInt64;      # bytes per second after back-off
  token       @9 :UInt64;
}

struct ForecastCarry {
  # -> Done. Gives a volume's forecaster memory to the agent that will hold it next.
  state @0 :Forecast.ForecastState;
}

struct ForecastTake {
  # -> Forecast.ForecastState. Asks for it.
  volume @0 :UInt64;
}

struct HostExamine {
  # -> HostExamined. What only the host itself can see.
  peers     @0 :List(Volume.HostAddress);   # hosts that it has to reach
  timeoutMs @1 :UInt32;                     # for each port; all are tried at once
}

struct HostExamined {
  wallMs       @0 :Int64;
  version      @1 :Text;
  planeVersion @2 :Text;       # empty: the data plane does not answer
  ports        @3 :List(PortState);
  certificates @4 :List(CertificateState);
}

struct PortState {
  host    @0 :Text;
  address @1 :Text;
  use     @2 :Text;            # extents, data plane, agent
  fault   @3 :Text;            # empty: it answers as it should
}

struct CertificateState {
  path     @0 :Text;
  subject  @1 :Text;           # common name
  beginsMs @2 :Int64;
  endsMs   @3 :Int64;
  fault    @4 :Text;           # it cannot be read; empty: it can
}
