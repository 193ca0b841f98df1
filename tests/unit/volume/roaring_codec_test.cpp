// SPDX-License-Identifier: Apache-2.0
#include "core/volume/roaring_codec.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>

using namespace foreshift;

namespace {

constexpr auto any = std::numeric_limits<std::uint32_t>::max();

/// Sets whose containers are arrays, bitsets, runs and mixtures.
roaring::Roaring some_set(std::mt19937_64& random) {
  roaring::Roaring out;
  for (auto parts = random() % 6; parts > 0; --parts) {
    auto base = static_cast<std::uint32_t>(random() % 9) << 16;
    switch (random() % 3) {
    case 0:
      for (auto n = random() % 50; n > 0; --n)
        out.add(base + static_cast<std::uint32_t>(random() % 65536));
      break;
    case 1:
      for (auto n = random() % 9000; n > 0; --n)
        out.add(base + static_cast<std::uint32_t>(random() % 65536));
      break;
    default: {
      auto first = base + random() % 65536;
      out.addRange(first, first + random() % 100'000);
    }
    }
  }
  return out;
}

} // namespace

TEST_CASE("roaring codec: what is encoded decodes to the same set, equal sets to equal bytes") {
  std::mt19937_64 random{11};
  for (int round = 0; round < 200; ++round) {
    auto set = some_set(random);
    auto bytes = encode_roaring(set);
    auto back = decode_roaring(bytes, any);
    REQUIRE(back);
    CHECK(*back == set);
    roaring::Roaring other;
    for (auto value : set)
      other.add(value);
    CHECK(encode_roaring(other) == bytes);
  }
}

TEST_CASE("roaring codec: runs are a few bytes") {
  roaring::Roaring set;
  set.addRange(1000, 60'000);
  CHECK(encode_roaring(set).size() <= 16);
}

TEST_CASE("roaring codec: limits on size and on the largest value hold") {
  auto bytes = encode_roaring(roaring::Roaring::bitmapOf(2, 5, 70'000));
  CHECK(decode_roaring(bytes, 70'000));
  auto past = decode_roaring(bytes, 69'999);
  REQUIRE_FALSE(past);
  CHECK(past.error().code == errc::malformed);
  auto large = decode_roaring(bytes, any, bytes.size() - 1);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == errc::too_large);
  auto none = decode_roaring({}, 0);
  REQUIRE(none);
  CHECK(none->isEmpty());
}

TEST_CASE(
    "roaring codec: every truncation is refused, and every flipped byte is refused or a set") {
  std::mt19937_64 random{12};
  for (int round = 0; round < 40; ++round) {
    auto bytes = encode_roaring(some_set(random));
    for (std::size_t size = 1; size < bytes.size(); size += 1 + size / 16)
      CHECK_FALSE(decode_roaring({bytes.data(), size}, any));
    auto longer = bytes;
    longer.push_back(0);
    CHECK_FALSE(decode_roaring(longer, any));
    for (int flips = 0; flips < 60; ++flips) {
      auto spoilt = bytes;
      spoilt[random() % std::min<std::size_t>(spoilt.size(), 200)] ^=
          static_cast<unsigned char>(1 + random() % 255);
      auto got = decode_roaring(spoilt, any);
      if (got) { // then it must be sound: it counts, and survives another round
        std::uint64_t counted = 0;
        for ([[maybe_unused]] auto value : *got)
          ++counted;
        CHECK(counted == got->cardinality());
        auto again = decode_roaring(encode_roaring(*got), any);
        REQUIRE(again);
        CHECK(*again == *got);
      }
    }
  }
}
