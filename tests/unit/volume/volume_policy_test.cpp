// SPDX-License-Identifier: Apache-2.0
#include "core/volume/volume_policy.hpp"

#include "core/codec/packet.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

TEST_CASE("a volume's policy is set key by key, and what it cannot be is said") {
  volume_policy x;
  CHECK_FALSE(x.implicit_flip);
  REQUIRE(set_policy(x, "implicit-flip", "on"));
  CHECK(x.implicit_flip);
  REQUIRE(set_policy(x, "implicit-flip", "off"));
  CHECK_FALSE(x.implicit_flip);
  for (auto rule :
       {follow_rule::EXPECTED, follow_rule::ALL, follow_rule::NONE, follow_rule::CELL}) {
    REQUIRE(set_policy(x, "follow", name_of(rule)));
    CHECK(x.follow == rule);
  }
  for (auto [key, value] :
       {std::pair{"implicit-flip", "yes"}, {"follow", "some"}, {"colour", "on"}}) {
    auto before = x;
    auto done = set_policy(x, key, value);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == errc::invalid);
    CHECK(x == before);
  }
}

TEST_CASE("a policy keeps through its record, and a rule of a later version is the cell's") {
  volume_policy x{true, follow_rule::NONE};
  auto record = packet<schema::VolumePolicy>::make([&](auto out) { encode_policy(x, out); });
  CHECK(decode_policy(record.read()) == x);
  auto later = packet<schema::VolumePolicy>::make(
      [](auto out) { out.setFollow(static_cast<follow_rule>(77)); });
  CHECK(decode_policy(later.read()) == volume_policy{});
}
