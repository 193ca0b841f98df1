// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/forecast/workload.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

TEST_CASE("forecaster: learning apart from observing learns as well, piece by piece") {
  auto options = four_gib();
  auto within = make_forecaster(options);
  options.study_apart = true;
  auto apart = make_forecaster(options);
  int pieces = 0;
  for (auto* each : {within.get(), apart.get()}) {
    workload w{*each};
    for (int minute = 0; minute < 6; ++minute) {
      for (int second = 0; second < 60; ++second) {
        w.clustered(1, 100, 50, 4000);
        while (each == apart.get() && each->study())
          ++pieces;
      }
    }
  }
  CHECK(pieces > 10);
  for (auto* each : {within.get(), apart.get()})
    CHECK(share_in(extents_of(each->predict(60)), 100, 50) > 0.9);
}

TEST_CASE("forecaster: what is not studied is not learnt, and only so much of it is kept") {
  auto options = four_gib();
  options.study_apart = true;
  auto f = make_forecaster(options);
  workload w{*f};
  w.clustered(120, 100, 50, 4000);
  int pieces = 0;
  while (f->study())
    ++pieces;
  CHECK(pieces > 0);
  CHECK(pieces < 64);
  CHECK_FALSE(f->study());
}
