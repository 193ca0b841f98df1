// SPDX-License-Identifier: Apache-2.0
#include "core/lease/migration.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::lease;
using namespace std::chrono_literals;
using kind = migration_step::kind;

namespace {

migration_view predicted() {
  migration_view now;
  now.forecast_known = true;
  now.accesses_expected = 1000;
  now.moves_left = true;
  return now;
}

} // namespace

TEST_CASE("a migration copies at most two batches at once until the gate is met") {
  auto now = predicted();
  CHECK(next_step(now).what == kind::copy);
  now.batches = 2;
  CHECK(next_step(now).what == kind::wait);
  now.batches = 1;
  now.coverage = 0.9;
  CHECK(next_step(now).what == kind::flip);
}

TEST_CASE("without pre-positioning a migration flips at once") {
  migration_view now;
  now.preposition = false;
  CHECK(next_step(now).what == kind::flip);
}

TEST_CASE("an unmet gate ends with a timeout, not with a flip") {
  auto now = predicted();
  now.coverage = 0.5;
  now.elapsed = 60s;
  auto step = next_step(now);
  REQUIRE(step.what == kind::stop);
  CHECK(step.why->code == errc::timeout);
}

TEST_CASE("a full destination is said so at once") {
  auto now = predicted();
  now.moves_left = false;
  now.destination_full = true;
  auto step = next_step(now);
  REQUIRE(step.what == kind::stop);
  CHECK(step.why->code == errc::no_space);
}

TEST_CASE("no forecast costs a short wait and nothing else") {
  migration_view now;
  CHECK(next_step(now).what == kind::wait);
  now.elapsed = forecast_grace;
  CHECK(next_step(now).what == kind::flip);
}

TEST_CASE("an idle volume has nothing to wait for") {
  auto now = predicted();
  now.accesses_expected = 0;
  CHECK(next_step(now).what == kind::flip);
}

TEST_CASE("a batch that fails is tried again, but not for ever, and corruption not at all") {
  auto now = predicted();
  now.batch_fault = fault{errc::unreachable, "host-c does not answer"};
  now.faults_in_row = 1;
  CHECK(next_step(now).what == kind::copy);
  now.faults_in_row = 3;
  CHECK(next_step(now).why->code == errc::unreachable);
  now.faults_in_row = 1;
  now.batch_fault = fault{errc::corrupt, "extent 3 is corrupt"};
  CHECK(next_step(now).why->code == errc::corrupt);
}

TEST_CASE("a cancel wins over everything") {
  auto now = predicted();
  now.coverage = 1;
  now.canceled = true;
  CHECK(next_step(now).why->code == errc::canceled);
}
