# SPDX-License-Identifier: Apache-2.0
@0xfab12ad3f32dd73a;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");
using Volume = import "volume.capnp";

# Who may do I/O on a volume, and how that changes hands.

enum LeaseState {
  none        @0;   # nobody holds it here
  standby     @1;   # connected, checked, may not do I/O; requests are held
  primary     @2;   # the one that may
  draining    @3;   # was primary; finishes what it began and holds new requests
  deactivated @4;   # a newer epoch exists elsewhere; requests fail
}

struct Lease {
  # The authority's record of one volume's lease.
  volume   @0 :UInt64;
  epoch    @1 :UInt64;           # highest epoch ever given out, prepared ones included
  holder   @2 :Text;             # primary at `heldEpoch`; empty: nobody
  heldEpoch @3 :UInt64;
  prepared @4 :FlipIntent;       # set between PREPARE and COMMIT
}

struct FlipIntent {
  id     @0 :UInt64;             # task id; 0: none
  epoch  @1 :UInt64;
  to     @2 :Text;
  from   @3 :Text;               # empty: attach
}

struct FlipTimes {
  # Measured by the destination's data plane, microseconds of its monotonic clock.
  drainUs   @0 :UInt64;          # source drained and flushed
  promoteUs @1 :UInt64;          # every partition host persisted the epoch and answered
  serveUs   @2 :UInt64;          # lease switched locally; held requests released
  totalUs   @3 :UInt64;          # request arrived -> may write
  waitedUs   @4 :UInt64;
    # of an implicit flip: from the first write's arrival until it may write; 0: nobody waited
}
