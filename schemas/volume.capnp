# SPDX-License-Identifier: Apache-2.0
@0xcad85eacc8c7e9a3;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# Volumes and where their extents are.

struct VolumeSpec {
  id             @0 :UInt64;
  name           @1 :Text;        # [a-z0-9][a-z0-9._-]{0,62}; also the NBD export name
  sizeBytes      @2 :UInt64;      # multiple of 4 KiB; at most 64 TiB
  extentBytes    @3 :UInt32;      # power of two, 64 KiB to 64 MiB; 1 MiB unless said otherwise
  partitionBytes @4 :UInt64;
    # multiple of extentBytes; extents of one partition share their home
  replicas       @5 :UInt8;       # replication factor, 1 to 3
  homes          @6 :List(Text);
    # the pinned table of partition hosts that rendezvous hashing ranks
  createdMs      @7 :Int64;
}

enum Follow {
  # What comes to a volume's new host after a flip.
  cell     @0;                    # as the coordinator's policy.follow says
  expected @1;                    # what is expected to be used, best first
  all      @2;                    # that first, then the rest
  none     @3;                    # nothing
}

struct VolumePolicy {
  # What of a volume may change while it is in use.
  implicitFlip @0 :Bool;
    # the first write of a client at an announced destination takes the lease
  follow       @1 :Follow;
}

struct ReplicaSet {
  hosts   @0 :List(Text);         # sorted by name
  extents @1 :Data;
    # portable, run-optimised Roaring bitmap (32 bit) of extent indexes
}

struct Placement {
  # Versioned map volume -> hosts that hold each extent in sync. An extent in no exception is on its
  # home hosts: the `replicas` best of `homes` by rendezvous hash of (volume, partition, host).
  volume     @0 :UInt64;
  version    @1 :UInt64;          # grows by one with every committed change
  exceptions @2 :List(ReplicaSet);
  retiring   @3 :List(ReplicaSet);
    # removed from the map, perhaps still read by a holder that has not adopted it
  lost       @4 :List(LostReplica);
    # removed because the host failed; what it has is a basis for resynchronisation; sorted by host
}

struct LostReplica {
  host    @0 :Text;
  since   @1 :UInt64;             # map version that first left the host out
  extents @2 :Data;               # Roaring bitmap: what it held in sync before that version
}

struct HostAddress {
  name    @0 :Text;
  nbd     @1 :Text;               # "127.0.0.1:10809": the data plane's peer face
  plane   @2 :Text;               # "127.0.0.1:10810": the data plane's door
  agent   @3 :Text;               # "127.0.0.1:10811": the agent's door
  zone    @4 :Text;               # failure domain; empty: the host itself
}
