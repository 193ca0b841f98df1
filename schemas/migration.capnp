# SPDX-License-Identifier: Apache-2.0
@0xaf993bf9567865ef;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");
using Lease = import "lease.capnp";
using Plan = import "plan.capnp";

# Long work that an operator watches: flips, migrations, moves.

enum TaskKind {
  attach  @0;
  detach  @1;
  flip    @2;
  migrate @3;
  balance @4;                  # background moves towards the VCI's current host
  drain   @5;                  # every replica leaves a host: `from`
  remove  @6;                  # a dead host is replaced: `from`
}

enum TaskState {
  running  @0;
  done     @1;
  failed   @2;
  canceled @3;
}

struct TaskPhase {
  name    @0 :Text;
    # preposition, gate, ready, prepare, armed, takeover, commit, settle; of a VM: see VmAccount
  startMs @1 :Int64;
  durationUs @2 :UInt64;
}

struct Task {
  id         @0 :UInt64;
  kind       @1 :TaskKind;
  state      @2 :TaskState;
  volume     @3 :UInt64;        # 0: a task of a host
  name       @4 :Text;          # of the volume
  from       @5 :Text;
  to         @6 :Text;
  phase      @7 :Text;
  startedMs  @8 :Int64;
  endedMs    @9 :Int64;        # 0: still running
  gate       @10 :Float64;
  coverage   @11 :Float64;     # now, of predicted accesses
  coverageAtFlip @12 :Float64;
  bytesPlanned @13 :UInt64;
  bytesMoved @14 :UInt64;      # before the flip
  bytesMovedInFlip @15 :UInt64;
  etaMs      @16 :UInt64;
  epoch      @17 :UInt64;
  flip       @18 :Lease.FlipTimes;
  phases     @19 :List(TaskPhase);
  errorCode  @20 :UInt16;
  error      @21 :Text;
  cancelRequested @22 :Bool;
  held       @23 :Bool;        # a VM's: waits for its tool before the takeover and after it
  promised   @24 :VmPromise;   # with `held`
  vm         @25 :VmAccount;   # with `held`, once the tool has told
  implicit   @26 :Bool;        # a client's write at `to` asked for it
}

struct VmPromise {
  # Said before a VM migrates, from the cell's past migrations of VMs.
  bytes         @0 :UInt64;    # of extents to copy first
  ramBytes      @1 :UInt64;
  durationMs    @2 :UInt64;    # of both
  blackoutUs    @3 :UInt64;    # guest stopped; 0: nothing to tell it from
  blackoutLowUs @4 :UInt64;
  blackoutHighUs @5 :UInt64;
  basis         @6 :UInt32;    # past migrations it rests on
}

struct VmAccount {
  # What came true, by the times of QEMU's own events.
  phases     @0 :List(TaskPhase);  # gate, ram, drain, promote, flip, resume, first-io; flip: the
                                   # first event of the switchover to all volumes taken
  ramBytes   @1 :UInt64;
  totalUs    @2 :UInt64;       # request to running at the destination
  blackoutUs @3 :UInt64;       # STOP at the source to RESUME at the destination
  switchUs   @4 :UInt64;       # of it from pre-switchover to migrate-continue: QEMU waited
  outcome    @5 :Text;
}

struct MoveRecord {
  # One batch of a move in flight, in the authority's store: enough to finish or undo it after a
  # crash.
  id          @0 :UInt64;
  volume      @1 :UInt64;
  epoch       @2 :UInt64;      # lease epoch it began under
  source      @3 :Text;
  destination @4 :Text;
  extents     @5 :List(UInt32);
  committed   @6 :Bool;        # the map already names the destination
  mapVersion  @7 :UInt64;
  resync      @8 :Bool;        # the destination returns: it keeps what it has as a basis
}
