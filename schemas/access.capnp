# SPDX-License-Identifier: Apache-2.0
@0x9b3edb8790d6ae4a;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# Which extents were read and written when: the history that forecasts feed on.

enum AccessOp {
  read  @0;
  write @1;
  zero  @2;    # TRIM and WRITE ZEROES
}

struct AccessRecord {
  # One client request. Two and a half words of data: keep it small, there is one per I/O.
  atUs   @0 :UInt32;            # since the batch's startMs
  vci    @1 :UInt32;            # PlaneClient.vci
  sector @2 :UInt64;            # 512-byte sector of the volume
  bytes  @3 :UInt32;
  op     @4 :AccessOp;
  local  @5 :Bool;              # served by this host alone
}

struct AccessBatch {
  volume  @0 :UInt64;
  startMs @1 :Int64;            # wall clock
  records @2 :List(AccessRecord);
}
