# SPDX-License-Identifier: Apache-2.0
@0xf740448ef1cb9b6e;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# What an agent expects of a volume it holds the lease of.

struct ExtentHeat {
  extent @0 :UInt32;
  reads  @1 :Float32;           # expected accesses over the horizon
  writes @2 :Float32;
  bytes  @3 :Float32;           # expected distinct bytes, at most the extent's size
}

struct Forecast {
  volume     @0 :UInt64;
  host       @1 :Text;          # who made it
  atMs       @2 :Int64;
  horizonMs  @3 :UInt32;
  totalReads @4 :Float64;       # over all extents, listed or not
  totalWrites @5 :Float64;
  extents    @6 :List(ExtentHeat);  # hottest first; bounded
  extentsActive @7 :UInt64;     # extents the forecaster knows of
  experts    @8 :List(ExpertShare);
  observedMs @9 :UInt64;        # length of the history behind it
}

struct ExpertShare {
  name   @0 :Text;
  weight @1 :Float64;           # in the merge, 0..1
}

struct ForecastState {
  # A forecaster's memory: survives the agent and travels with the volume.
  volume  @0 :UInt64;
  version @1 :UInt32;
  body    @2 :Data;             # zstd
}
