# SPDX-License-Identifier: Apache-2.0
@0xf740448ef1cb9b6e;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# What an agent expects of a volume it holds the lease of.

struct ExtentHeat {
  extent @0 :UInt32;
  reads  @1 :Float32;           # expected accesses over the horizon, in pages of 4 KiB
  writes @2 :Float32;
  bytes  @3 :Float32;           # expected distinct bytes, at most the extent's size
  class  @4 :HeatClass;
}

enum HeatClass {
  cold @0;
  warm @1;
  hot  @2;
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
  ledgers    @10 :List(Ledger); # one per horizon, the forecast's own first
}

struct Ledger {
  # What was predicted over one horizon and what came true. Shares 0..1, means over late decisions.
  horizonMs @0 :UInt32;
  decisions @1 :Float64;        # judged so far
  promised  @2 :Float64;        # share of accesses the choice was expected to cover
  covered   @3 :Float64;        # what it did cover
  oracle    @4 :Float64;        # what a clairvoyant choice would have covered
  ofOracle  @5 :Float64;        # of accesses and distinct bytes, as a share of the clairvoyant's
  wasted    @6 :Float64;        # share of chosen extents that nothing touched
  moved     @7 :Float64;        # share of the choice that was not in the one before
  lead      @8 :Text;           # the arm that leads
  arms      @9 :List(ExpertShare);  # each arm's ofOracle
  calibration @10 :List(CalibrationBin);  # by tenths of what was promised
}

struct CalibrationBin {
  decisions @0 :Float64;
  promised  @1 :Float64;        # mean
  covered   @2 :Float64;        # mean
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
