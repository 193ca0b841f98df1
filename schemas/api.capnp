# SPDX-License-Identifier: Apache-2.0
@0xcfeb7843a5a177b7;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");
using Volume = import "volume.capnp";
using Lease = import "lease.capnp";
using Telemetry = import "telemetry.capnp";
using Forecast = import "forecast.capnp";
using Affinity = import "affinity.capnp";
using Plan = import "plan.capnp";
using Migration = import "migration.capnp";
using Agent = import "agent.capnp";
using Plane = import "plane.capnp";

# What tools ask of the coordinator. Volumes and hosts go by name.

struct StatusGet {}            # -> Status
struct Status {
  version    @0 :Text;
  token      @1 :UInt64;
  upMs       @2 :UInt64;
  hosts      @3 :UInt32;
  hostsUp    @4 :UInt32;
  volumes    @5 :UInt32;
  attached   @6 :UInt32;
  tasksRunning @7 :UInt32;
  moveBytesPerSecond @8 :UInt64;
  health     @9 :Text;         # ok, degraded
  problems   @10 :List(Text);
  cycle      @11 :List(Migration.TaskPhase);
    # last collect, forecast, score, plan, execute, migrate
  speculation @12 :Speculation;
}
struct Speculation {
  # Copies to hosts where a volume may go although nobody has said so, since the coordinator
  # started. What was copied is held, used or wasted.
  copiedBytes @0 :UInt64;
  heldBytes   @1 :UInt64;      # still waiting for their volume
  usedBytes   @2 :UInt64;      # the volume went there
  wastedBytes @3 :UInt64;      # freed before it did
}

struct HostList {}             # -> Hosts
struct HostShow { name @0 :Text; }   # -> Host
struct Hosts { hosts @0 :List(Host); }
struct Host {
  address  @0 :Volume.HostAddress;
  up       @1 :Bool;
  seenMs   @2 :Int64;
  version  @3 :Text;
  sample   @4 :Telemetry.HostSample;
  nbsr     @5 :Telemetry.NbsrSample;
  vcis     @6 :List(Telemetry.VciSample);
  extents  @7 :UInt64;
  bytes    @8 :UInt64;
  volumesAttached @9 :List(Text);
  plane    @10 :Plane.PlaneStatus;
  draining @11 :Bool;          # gets nothing new; what it holds moves elsewhere
}

struct HostOkToStop { name @0 :Text; }   # -> StopEffects. What would become of volumes without it?
struct StopEffects {
  ok      @0 :Bool;            # nothing would stop; some may go on with fewer replicas
  effects @1 :List(StopEffect);
}
struct StopEffect {
  volume   @0 :Text;
  attached @1 :Bool;           # its clients are on the host
  blocked  @2 :UInt64;         # extents whose last replica in sync is there
  degraded @3 :UInt64;         # extents that would have fewer replicas than asked for
}

struct HostDrain {
  # -> Task (at once, running). Moves every replica off the host, which gets nothing new from now
  # on; in the end, flips the leases it holds to `to`, or names them.
  name @0 :Text;
  to   @1 :Text;
}
struct HostUndrain { name @0 :Text; }    # -> Done. Moves for the drain end; the host is used again.
struct HostRemove {
  # -> Task (at once, perhaps running). Forgets a host that is down and holds nothing; with `lost`,
  # leaves a dead one out first and makes its replicas anew elsewhere. Refused where it has the only
  # copy of something.
  name @0 :Text;
  lost @1 :Bool;
}

struct VolumeCreate {          # -> VolumeInfo
  name      @0 :Text;
  sizeBytes @1 :UInt64;
  replicas  @2 :UInt8 = 1;
  homes     @3 :List(Text);    # empty: every host known now
  extentBytes @4 :UInt32 = 1048576;
  partitionBytes @5 :UInt64 = 67108864;
  policy      @6 :Volume.VolumePolicy;
}
struct VolumeSet {             # -> VolumeInfo. Changes one key of its policy.
  name  @0 :Text;
  key   @1 :Text;              # implicit-flip, follow
  value @2 :Text;
}
struct VolumeList {}           # -> Volumes
struct VolumeShow { name @0 :Text; }     # -> VolumeInfo
struct VolumeDelete { name @0 :Text; }   # -> Done
struct VolumeAttach {          # -> Task (waits until it has ended)
  name  @0 :Text;
  host  @1 :Text;
  force @2 :Bool;              # leave out replicas at hosts that cannot be reached
}
struct VolumeDetach {          # -> Task (waits until it has ended)
  name  @0 :Text;
  force @1 :Bool;              # fence a holder that cannot be reached; leave out replicas as above
}
struct Volumes { volumes @0 :List(VolumeInfo); }
struct VolumeInfo {
  spec       @0 :Volume.VolumeSpec;
  lease      @1 :Lease.Lease;
  mapVersion @2 :UInt64;
  residency  @3 :List(Residency);
  exceptionBytes @4 :UInt64;   # size of the stored placement
  health     @5 :Text;
  degraded   @6 :UInt64;       # extents with fewer replicas in sync than asked for
  lost       @7 :List(LostHost);
  policy     @8 :Volume.VolumePolicy;
}
struct LostHost {
  host    @0 :Text;
  extents @1 :UInt64;          # not back yet
  since   @2 :UInt64;          # map version that first left it out
  state   @3 :Text;            # what is done about it
}
struct Residency {
  host    @0 :Text;
  extents @1 :UInt64;          # with data there
  bytes   @2 :UInt64;
}

struct AffinityGet { volume @0 :Text; }   # -> AffinityMatrix; empty: all volumes
struct HotGet { volume @0 :Text; top @1 :UInt32 = 20; }   # -> Hot
struct Hot {
  forecast @0 :Forecast.Forecast;
  name     @1 :Text;
  extentsTotal @2 :UInt64;
  strip    @3 :List(Float32);  # expected accesses, summed in 256 equal slices of the volume
}
struct PlanGet {               # -> Plan
  volume      @0 :Text;
  to          @1 :Text;
  budgetBytes @2 :UInt64;      # 0: default
}
struct MigrateStart {          # -> Task (at once, running)
  volume    @0 :Text;
  to        @1 :Text;
  gate      @2 :Float64 = 0.9;
  timeoutMs @3 :UInt32 = 60000;
  noPreposition @4 :Bool;
  held      @5 :Bool;          # for a VM: waits for MigrateStep before and after the takeover
  ramBytes  @6 :UInt64;        # of the VM, for the promise
  bandwidthBytes @7 :UInt64;   # of its RAM stream, per second; 0: unknown
}
enum MigrateStage {
  arm  @0;   # prepare everything that is slow; answered when the takeover needs one message
  go   @1;   # take over; answered when the destination holds the lease
  keep @2;   # the VM runs there: let the source go; answered when the task has ended
  back @3;   # it does not: the source becomes primary again, its held requests go on; likewise
}
struct MigrateStep {
  # -> Task. Of a held migration. A task that ended otherwise is answered as it is.
  task    @0 :UInt64;
  stage   @1 :MigrateStage;
  account @2 :Migration.VmAccount;  # with keep and back
}
struct FlipStart { volume @0 :Text; to @1 :Text; force @2 :Bool; }
  # -> Task (waits until it has ended)
struct Announce {
  # -> Intents (of the volume). A durable intent: until withdrawn, or the volume is attached there,
  # its clients may already connect at the host, and what they will need is copied there gradually.
  volume @0 :Text;
  to     @1 :Text;
  byMs   @2 :Int64;            # wall clock; 0: no hurry
  noCopy @3 :Bool;             # only let clients connect
}
struct AnnounceWithdraw { volume @0 :Text; to @1 :Text; }   # -> Intents (left of the volume)
struct AnnounceList { volume @0 :Text; }                    # -> Intents; empty: of all volumes
struct Intents { intents @0 :List(Intent); }
struct Intent {
  volume   @0 :Text;
  to       @1 :Text;
  byMs     @2 :Int64;
  noCopy   @3 :Bool;
  sinceMs  @4 :Int64;
  id       @5 :UInt64;         # of the volume
}

struct TargetsGet {            # -> Targets
  volume   @0 :Text;
  ramBytes @1 :UInt64;
  bandwidthBytes @2 :UInt64;
}
struct Targets { targets @0 :List(Target); }   # best first
struct Target {
  host       @0 :Text;
  zone       @1 :Text;
  coverage   @2 :Float64;      # of predicted accesses, now
  promised   @3 :Migration.VmPromise;
  flipUs     @4 :UInt64;       # median of recent flips; 0: none yet
  cpuShare   @5 :Float64;      # in use
  freeBytes  @6 :UInt64;
  pull       @7 :Float64;
  whyNot     @8 :Text;         # why it is no target; empty: it is one
  visits     @9 :UInt32;       # how often the volume went there
  speculativeBytes @10 :UInt64; # copied there in case it does again
}

struct CalibrationGet {}       # -> Calibration
struct Calibration {
  # Promises of VM migrations that came to an end, against what came true.
  migrations @0 :UInt32;       # with a promised blackout
  within     @1 :UInt32;       # inside the promised interval
  blackoutUs @2 :UInt64;       # median
  blackoutLowUs @3 :UInt64;    # what the next one would be promised
  blackoutHighUs @4 :UInt64;
  bytesRatio @5 :Float64;      # moved per promised byte, median; 0: nothing was promised
  durationRatio @6 :Float64;   # likewise, of the time from request to running
  switchUs   @7 :UInt64;       # flip's share, median
  switchP99Us @8 :UInt64;
}

struct TaskList { all @0 :Bool; }    # -> Tasks
struct TaskShow { id @0 :UInt64; }   # -> Task
struct TaskCancel { id @0 :UInt64; } # -> Task
struct Tasks { tasks @0 :List(Migration.Task); }

struct EventsGet {
  # -> Events; `waitMs` holds the answer until something newer than `after` exists
  after  @0 :UInt64;
  limit  @1 :UInt32 = 100;
  waitMs @2 :UInt32;
}
struct Events { events @0 :List(Event); }
struct Event {
  seq    @0 :UInt64;
  atMs   @1 :Int64;
  level  @2 :Text;             # info, warning, error
  subject @3 :Text;            # "volume vol1", "host host-a", "task 3"
  text   @4 :Text;
}

struct ScrubStart { host @0 :Text; full @1 :Bool; }
  # -> Done. Its progress is in Host.plane.scrub.

struct CellExamine {           # -> Diagnosis. Looks at everything a cell relies on.
  repair  @0 :Bool;            # then do what is safe, and say so
  version @1 :Text;            # of the tool that asks
}
enum Verdict {
  ok   @0;
  warn @1;                     # works, but needs somebody's attention
  fail @2;                     # does not work, or a promise does not hold
}
struct Diagnosis {
  verdict @0 :Verdict;         # the worst of what is not repaired
  checks  @1 :List(Check);     # a check that found nothing has one line
}
struct Check {
  name     @0 :Text;           # versions, clocks, ports, ...
  subject  @1 :Text;           # "host a", "volume vm1"; empty: the whole cell
  verdict  @2 :Verdict;
  reason   @3 :Text;
  advice   @4 :Text;           # what to do; empty: nothing
  repair   @5 :Text;           # what was done about it, or why that failed; empty: nothing
  repaired @6 :Bool;
}
