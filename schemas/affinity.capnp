# SPDX-License-Identifier: Apache-2.0
@0x842ab502f2de4a69;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# The Data Affinity Score.

struct AffinityRow {
  volume @0 :UInt64;
  name   @1 :Text;
  host   @2 :Text;              # where the VCI runs; empty: nowhere
  target @3 :Text;              # announced or asked-for compute host; empty: none
  cells  @4 :List(AffinityCell);
}

struct AffinityCell {
  host  @0 :Text;
  score @1 :Float64;
    # 0..1: predicted likelihood that the next access lands on data residing on host
  pull  @2 :Float64;
    # 0..1: how well host would serve the VCI's current or likely compute host
}

struct AffinityMatrix {
  atMs @0 :Int64;
  rows @1 :List(AffinityRow);
}
