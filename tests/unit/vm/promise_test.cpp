// SPDX-License-Identifier: Apache-2.0
#include "core/vm/promise.hpp"

#include "core/codec/packet.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

vm_past one(std::uint64_t blackout_us) {
  vm_past x;
  x.came.blackout_us = blackout_us;
  x.came.total_us = 3'000'000;
  x.came.ram_bytes = 100u << 20;
  x.came.phases.push_back({"ram", 0, 2'000'000});
  return x;
}

} // namespace

TEST_CASE("without a past no blackout is promised, but bytes and time are") {
  auto said = promise_of({64u << 20, 32u << 20, 100u << 20, 50u << 20}, {});
  CHECK(said.bytes == 64u << 20);
  CHECK(said.duration_ms == 4000);
  CHECK(said.basis == 0);
  CHECK(said.blackout_us == 0);
}

TEST_CASE("the past's RAM streams stand in for an unknown bandwidth") {
  std::vector<vm_past> past{one(40'000)};
  CHECK(promise_of({0, 0, 200u << 20, 0}, past).duration_ms == 4000);
}

TEST_CASE("the interval holds the past's, wider the fewer there are") {
  std::vector<vm_past> few{one(30'000), one(40'000), one(60'000)};
  auto said = promise_of({}, few);
  CHECK(said.basis == 3);
  CHECK(said.blackout_us == 40'000);
  CHECK(said.blackout_low_us < 30'000);
  CHECK(said.blackout_high_us > 60'000);
  std::vector<vm_past> many;
  for (int i = 0; i < 30; ++i)
    many.insert(many.end(), few.begin(), few.end());
  auto later = promise_of({}, many);
  CHECK(later.basis == vm_pasts_max);
  CHECK(later.blackout_low_us > said.blackout_low_us);
  CHECK(later.blackout_high_us < said.blackout_high_us);
  CHECK(later.blackout_high_us > 60'000);
}

TEST_CASE("calibration counts what came true within its interval") {
  std::vector<vm_past> past;
  for (std::uint64_t came : {40'000, 41'000, 90'000, 42'000}) {
    auto x = one(came);
    x.said = promise_of({10, 0, 0, 0}, past);
    x.bytes_moved = 20;
    x.came.switch_us = 1000 + came / 1000;
    past.push_back(x);
  }
  auto got = packet<schema::Calibration>::make([&](auto out) { encode_calibration(past, out); });
  CHECK(got.read().getMigrations() == 3); // the first had no past
  CHECK(got.read().getWithin() == 3);
  CHECK(got.read().getBytesRatio() == 2.0);
  CHECK(got.read().getSwitchUs() == 1041);
  CHECK(got.read().getSwitchP99Us() == 1090);
  past[3].came.blackout_us = 900'000;
  auto worse = packet<schema::Calibration>::make([&](auto out) { encode_calibration(past, out); });
  CHECK(worse.read().getWithin() == 2);
}
