# SPDX-License-Identifier: Apache-2.0
@0xe18bc4db86b50e3c;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# A stored, explainable list of moves. A plan is a dry run until somebody executes it.

struct PlanMove {
  firstExtent @0 :UInt32;
  extents     @1 :UInt32;
  from        @2 :Text;
  to          @3 :Text;
  bytes       @4 :UInt64;
  accesses    @5 :Float64;      # expected over the horizon
  gain        @6 :Float64;
    # expected microseconds of latency saved over the horizon, in thousands
  reason      @7 :Text;
}

struct PlanLeft {
  firstExtent @0 :UInt32;
  extents     @1 :UInt32;
  accesses    @2 :Float64;
  reason      @3 :Text;
}

struct Plan {
  id             @0 :UInt64;
  volume         @1 :UInt64;
  name           @2 :Text;
  to             @3 :Text;
  atMs           @4 :Int64;
  moves          @5 :List(PlanMove);
  left           @6 :List(PlanLeft);
  bytes          @7 :UInt64;
  coverageBefore @8 :Float64;   # share of predicted accesses resident at `to`
  coverageAfter  @9 :Float64;
  bytesCoverageBefore @10 :Float64;  # the same of predicted distinct bytes
  bytesCoverageAfter  @11 :Float64;
  expectedFlipUs @12 :UInt64;   # median of recent flips; 0: none measured yet
  expectedMs     @13 :UInt64;   # to move `bytes` at the allowed rate
  budgetBytes    @14 :UInt64;
  nextBudgetBytes @15 :UInt64;  # what another 64 MiB would ...
  nextBudgetGain @16 :Float64;  # ... add to the coverage
  note           @17 :Text;     # "no beneficial move", "no forecast yet", ...
}
