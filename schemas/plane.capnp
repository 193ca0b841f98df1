# SPDX-License-Identifier: Apache-2.0
@0x997ad8b519256c09;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");
using Volume = import "volume.capnp";
using Lease = import "lease.capnp";
using Access = import "access.capnp";
using Telemetry = import "telemetry.capnp";

# What agents, coordinators and peers ask of a host's data plane. One struct a verb; the answer is
# named after the arrow.

struct PlaneConfigure {
  # -> Done. Creates or updates what this host knows of a volume and of its peers; durable.
  spec  @0 :Volume.VolumeSpec;
  peers @1 :List(Volume.HostAddress);
  expectMs @2 :UInt32;
    # so long clients may connect here although the volume is not attached here: it is announced
  implicit @3 :Bool;            # and their first write asks for the lease
  holder   @4 :Text;            # who serves their reads until then
}

struct PlaneForget {
  # -> Done. Deletes the volume's extents, lease and log here; durable; refused while this host
  # is primary.
  volume @0 :UInt64;
}

struct PlanePrepare {
  # -> Done. Notes durably that `holder` may be promoted at `epoch`; refused unless epoch > the
  # highest seen.
  volume @0 :UInt64;
  epoch  @1 :UInt64;
  holder @2 :Text;
}

struct PlaneStandby {
  # -> Done. At the destination: loads the map, connects to every partition host as (epoch,
  # itself), holds client requests.
  volume    @0 :UInt64;
  epoch     @1 :UInt64;
  placement @2 :Volume.Placement;
  peers     @3 :List(Volume.HostAddress);
}

struct PlaneTakeover {
  # -> Lease.FlipTimes. At the destination, the critical path of a flip: drains `source` (unless
  # empty), promotes
  # itself on every host of `seal` at once, then serves. Idempotent: already primary at `epoch`
  # answers again.
  volume  @0 :UInt64;
  epoch   @1 :UInt64;
  source  @2 :Text;
  sourceEpoch @3 :UInt64;
  seal    @4 :List(Text);       # home + exceptions + retiring hosts
  timeoutMs @5 :UInt32;
  forced  @6 :Bool;             # go on when the source cannot be drained
  quietMs @7 :UInt32;           # see PlaneDrain
}

struct PlaneDrain {
  # -> Done. At the source: finishes and flushes what is in flight, holds the rest.
  volume @0 :UInt64;
  epoch  @1 :UInt64;
  quietMs @2 :UInt32;
    # above 0: only if its clients have nothing in flight and have asked for nothing so long;
    # else `busy`, and it serves on
}

struct PlanePromote {
  # -> PlanePromoted. At a partition host: persists (epoch, holder), then refuses every older epoch.
  volume @0 :UInt64;
  epoch  @1 :UInt64;
  holder @2 :Text;
}

struct PlanePromoted {
  epoch @0 :UInt64;
  extentsPresent @1 :UInt64;
}

struct PlaneRelease {
  # -> Done. At the old primary: forgets the lease; clients' requests fail from now on.
  volume @0 :UInt64;
  epoch  @1 :UInt64;            # the epoch it held
}

struct PlaneAdopt {
  # -> Done. At the primary: routes by this map; answered once no request uses the former one.
  volume    @0 :UInt64;
  epoch     @1 :UInt64;
  placement @2 :Volume.Placement;
  peers     @3 :List(Volume.HostAddress);
  settle    @4 :List(UInt32);
    # extents whose reads change host: writes in flight to them finish first
}

struct PlaneStage {
  # -> Done. At a move's destination: empty staged copies owned by `move`, durable. Refused
  # (no_space) when full.
  volume  @0 :UInt64;
  move    @1 :UInt64;
  extents @2 :List(UInt32);
  resync  @3 :Bool;             # extents with former data here keep it, as a basis
}

struct PlaneMirror {
  # -> Done. At the primary: writes of `extents` also go to `destination` under `move`; answered
  # after the
  # barrier: every write that began before has finished. `on` false ends it.
  volume      @0 :UInt64;
  epoch       @1 :UInt64;
  move        @2 :UInt64;
  destination @3 :Text;
  extents     @4 :List(UInt32);
  on          @5 :Bool;
  peers       @6 :List(Volume.HostAddress);
}

struct PlanePull {
  # -> PlanePulled. At the destination: copies staged extents from `source`, checked block by
  # block, never over
  # a block that a mirrored write has filled; synced to disk before the answer unless `more`.
  volume  @0 :UInt64;
  move    @1 :UInt64;
  source  @2 :Volume.HostAddress;
  extents @3 :List(UInt32);
  changed @4 :Data;
    # of a resync: Roaring bitmap of extents written while this host was out; their blocks are
    # compared by a strong hash, those of the others by their checksums' digest
  more    @5 :Bool;
    # other pulls of this move follow: the last one syncs what all of them have stored
}

struct PlanePulled {
  bytesCopied @0 :UInt64;       # read from the source, holes excluded
  bytesSkipped @1 :UInt64;      # already filled by mirrored writes
}

struct PlaneVerify {
  # -> Done, or Fault corrupt naming the extent. At the primary: with writes to `extents` held
  # for a moment,
  # compares the checksums of both sides.
  volume      @0 :UInt64;
  epoch       @1 :UInt64;
  source      @2 :Text;
  destination @3 :Text;
  extents     @4 :List(UInt32);
}

struct PlaneDigest {
  # -> PlaneDigests.
  volume  @0 :UInt64;
  extents @1 :List(UInt32);
}

struct PlaneDigests {
  digests @0 :List(UInt64);     # hash of each extent's block checksums; 0 for an extent of zeroes
}

struct PlaneCommit {
  # -> Done. At the destination: staged copies of `move` become replicas, durable, idempotent.
  volume  @0 :UInt64;
  move    @1 :UInt64;
  extents @2 :List(UInt32);
}

struct PlaneAbort {
  # -> Done. At the destination: staged copies of `move` are freed; idempotent.
  volume @0 :UInt64;
  move   @1 :UInt64;
}

struct PlaneRetire {
  # -> Done. At a former replica: refuses these extents from now on and frees their space;
  # durable, idempotent.
  volume  @0 :UInt64;
  version @1 :UInt64;           # map version that removed this host
  extents @2 :List(UInt32);
}

struct PlaneStatusGet {
  # -> PlaneStatus.
  volume @0 :UInt64;            # 0: all volumes
}

struct PlaneStatus {
  host       @0 :Text;
  volumes    @1 :List(PlaneVolume);
  disk       @2 :Telemetry.DiskSpace;
  pid        @3 :UInt32;
  startedMs  @4 :Int64;
  clients    @5 :List(PlaneClient);
  peerIo     @6 :Telemetry.IoCounters;   # served to peers
  logDropped @7 :UInt64;                 # access records lost because nobody drained them
  copyIo     @8 :Telemetry.IoCounters;   # read by other hosts' moves
  scrub      @9 :ScrubState;
}

struct ScrubState {
  running      @0 :Text;                 # empty, light or full
  doneBytes    @1 :UInt64;               # of the running pass
  totalBytes   @2 :UInt64;
  rateBytes    @3 :UInt64;               # a second, of late
  lightDoneMs  @4 :Int64;                # when the last pass was complete; 0: never
  fullDoneMs   @5 :Int64;
  corrupt      @6 :UInt64;               # extents found corrupt and not repaired yet
  strayBytes   @7 :UInt64;               # found by the last light pass in no extent of this host
}

struct PlaneVolume {
  id        @0 :UInt64;
  name      @1 :Text;
  state     @2 :Lease.LeaseState;        # of this host's gateway
  epoch     @3 :UInt64;                  # the gateway's
  fenceEpoch @4 :UInt64;                 # highest this partition host has seen
  fenceHolder @5 :Text;
  mapVersion @6 :UInt64;
  extentsPresent @7 :UInt64;
  bytesPresent @8 :UInt64;
  extentsStaged @9 :UInt64;
  io        @10 :Telemetry.IoCounters;   # of clients of this gateway
  readsLocal @11 :UInt64;                # client read requests served wholly from this host
  readsRemote @12 :UInt64;
  corrupt   @13 :UInt64;                 # blocks found not to match their checksum
  requestsHeld @14 :UInt32;
  moves     @15 :List(UInt64);           # moves that own staged copies here
  sizeBytes @16 :UInt64;                 # of the volume, so that the agent can forecast it
  extentBytes @17 :UInt32;
  repaired  @18 :UInt64;                 # blocks this gateway rewrote from a good copy
  lost      @19 :UInt64;                 # blocks this gateway found no good copy of
  corruptExtents @20 :List(UInt32);      # found here by scrubbing, not repaired yet; the first 64
  failed    @21 :Text;                   # why this host's replica answers nothing; empty: it does
  watches   @22 :List(UInt64);           # map versions since which changes are noted here
  doubt     @23 :UInt64;
    # not 0: this host's machine has restarted since it changed the volume, and its replica, which
    # may lack writes that were not synced, answers nothing until PlaneTrust with this number;
    # of two hosts' the one that began later is greater
  missed    @24 :List(UInt32);
    # extents that clients here read from other hosts in the last 10 s, the latest first; at most 64
}

struct PlaneClient {
  # The VCI: the process at the other end of the gateway's socket.
  volume @0 :UInt64;
  pid    @1 :UInt32;
  vci    @2 :UInt32;                     # number used in access records
  sinceMs @3 :Int64;
}

struct PlaneLogGet {
  # -> PlaneLog. Takes records out of the ring; one reader.
  recordsMax @0 :UInt32;
}

struct PlaneLog {
  batches @0 :List(Access.AccessBatch);
  more    @1 :Bool;
}

struct PlaneInventoryGet {
  # -> PlaneInventory.
  volume @0 :UInt64;
}

struct PlaneInventory {
  present @0 :Data;              # Roaring bitmap of extents with data or added by a move
  staged  @1 :Data;
  retired @2 :Data;
  lost    @3 :Data;              # data that may be stale, kept for a resync; refused to everybody
}

# -- lost replicas and their return

struct PlaneWatch {
  # -> Done. At a partition host that stays in sync: from now on notes durably, before it answers
  # the write, each extent that is changed, under the map version that left another host out.
  # Idempotent.
  volume @0 :UInt64;
  since  @1 :UInt64;
}

struct PlaneUnwatch {
  # -> Done. Forgets the notes of that version; idempotent.
  volume @0 :UInt64;
  since  @1 :UInt64;
}

struct PlaneChangedGet {
  # -> PlaneChanged.
  volume @0 :UInt64;
  since  @1 :UInt64;
}

struct PlaneChanged {
  known   @0 :Bool;             # false: this host has not watched since then; take all as changed
  extents @1 :Data;             # Roaring bitmap
}

struct PlaneBlockHashes {
  # -> PlaneBlocks. At a move's source, for a resync; at most 16 extents.
  volume  @0 :UInt64;
  extents @1 :List(UInt32);
}

struct PlaneBlocks {
  hashes @0 :List(Data);
    # per extent the 128-bit XXH3 of each block, one after the other; empty: all zeroes
}

struct PlaneSuspectsWait {
  # -> PlaneSuspects. At a gateway's host; answers when `serial` has changed or the time is over.
  serial    @0 :UInt64;
  timeoutMs @1 :UInt32;
}

struct PlaneSuspects {
  serial   @0 :UInt64;
  suspects @1 :List(PlaneSuspect);
  wishes   @2 :List(UInt64);    # volumes whose lease a client's write here waits for
}

struct PlaneSuspect {
  # A replica that a primary's writes or flushes wait for.
  volume  @0 :UInt64;
  epoch   @1 :UInt64;
  host    @2 :Text;
  sinceMs @3 :Int64;
  reason  @4 :Text;             # a fault's code and sentence
}

# -- checksums

struct PlaneScrub {
  # -> Done. Begins a pass now: light compares records with files, full checks every block.
  full @0 :Bool;
}

struct PlaneRepair {
  # -> PlaneRepaired. At the primary, from a partition host: checks every replica of these extents
  # and rewrites what is corrupt from a good copy; at most 64 extents.
  volume  @0 :UInt64;
  extents @1 :List(UInt32);
}

struct PlaneRepaired {
  blocks @0 :UInt64;            # rewritten
  lost   @1 :UInt64;            # no good copy found
}

struct PlaneReopen {
  # -> Done. At a host whose replica has failed, once the map leaves it out: frees what it has of
  # the volume, which is not trusted any more, and takes requests again. Refused unless it failed.
  volume @0 :UInt64;
}

struct PlaneTrust {
  # -> Done. At a host that doubts its replica: whatever other hosts have of it too is left out of
  # the map, so what it has may be served (and the rest be brought back). Idempotent; refused when
  # its machine has restarted once more.
  volume @0 :UInt64;
  doubt  @1 :UInt64;
}
