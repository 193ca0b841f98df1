// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

TEST_CASE("units: sizes are whole numbers with binary suffixes") {
  CHECK(*parse_bytes("0") == 0);
  CHECK(*parse_bytes("4096") == 4096);
  CHECK(*parse_bytes("4K") == 4 * kib);
  CHECK(*parse_bytes("64MiB") == 64 * mib);
  CHECK_FALSE(parse_bytes("4gib"));
  CHECK(*parse_bytes("64TiB") == 64 * tib);
}

TEST_CASE("units: a size that is not whole is refused with a hint") {
  for (const auto* text :
       {"", "1.5GiB", "-1", "4Q", "4GiBB", "99999999999999999999", "20000000TiB", "0x10", "GiB"}) {
    CAPTURE(text);
    auto got = parse_bytes(text);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::invalid);
    CHECK(got.error().detail.find("4GiB") != std::string::npos);
  }
}

TEST_CASE("units: durations and shares") {
  CHECK(*parse_duration("250ms") == 250ms);
  CHECK(*parse_duration("60s") == 60s);
  CHECK(*parse_duration("5m") == 5min);
  CHECK(*parse_duration("7d") == 168h);
  CHECK(*parse_duration("2") == 2s);
  CHECK_FALSE(parse_duration("5 parsecs"));
  CHECK_FALSE(parse_duration("-5s"));
  CHECK(*parse_share("90%") == doctest::Approx(0.9));
  CHECK(*parse_share("0.9") == doctest::Approx(0.9));
  CHECK_FALSE(parse_share("110%"));
  CHECK_FALSE(parse_share("nan"));
}

TEST_CASE("units: formats keep three digits") {
  CHECK(format_bytes(512) == "512 B");
  CHECK(format_bytes(4 * gib) == "4.0 GiB");
  CHECK(format_bytes(300 * mib) == "300 MiB");
  CHECK(format_duration(850us) == "850 us");
  CHECK(format_duration(1250us) == "1.25 ms");
  CHECK(format_duration(185s) == "3m05s");
}
