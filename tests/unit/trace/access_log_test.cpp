// SPDX-License-Identifier: Apache-2.0
#include "core/trace/access_log.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>

using namespace foreshift;

namespace {

using records_t = std::vector<access_record>;

records_t random_records(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  records_t out(count);
  auto at_us = static_cast<std::int64_t>(random() >> 12);
  for (auto& record : out) {
    at_us += static_cast<std::int64_t>(random() % 2000) - 100;
    auto shift = random() % 56;
    record = {at_us,
              static_cast<std::uint32_t>(random()),
              random() >> (8 + shift),
              static_cast<std::uint32_t>(random()),
              static_cast<access_op>(random() % 3),
              random() % 2 == 0};
  }
  return out;
}

/// 4 KiB random I/O, 90 % of it in 5 % of a 4 GiB volume that lies in clusters of 1 MiB.
records_t clustered_records(std::size_t count) {
  std::mt19937_64 random(7);
  std::exponential_distribution<double> gap_us(1.0 / 100);
  records_t out(count);
  double at_us = 1'700'000'000'000'000;
  for (auto& record : out) {
    at_us += gap_us(random);
    auto hot = random() % 10 != 0;
    auto extent = hot ? (random() % 205) * 19 % 4096 : random() % 4096;
    auto op = random() % 10 < 7 ? access_op::read : access_op::write;
    record = {static_cast<std::int64_t>(at_us),
              1,
              (extent << 20) + (random() % 256) * 4096,
              4096,
              op,
              random() % 4 != 0};
  }
  return out;
}

void check_round_trip(const records_t& records) {
  auto bytes = encode_access_segment(records);
  REQUIRE(bytes);
  auto back = decode_access_segment(*bytes);
  REQUIRE_MESSAGE(back, (back ? "" : back.error().detail));
  CHECK(*back == records);
}

} // namespace

TEST_CASE("access log: what is written is read back, in order") {
  check_round_trip({});
  check_round_trip({{5, 1, 4096, 512, access_op::zero, true}});
  check_round_trip({{5, 1, 0, 0, access_op::read, false}});
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    check_round_trip(random_records(seed, 1 + seed * 3));
}

TEST_CASE("access log: the extremes of every field survive") {
  constexpr auto late = std::numeric_limits<std::int64_t>::max();
  constexpr auto early = std::numeric_limits<std::int64_t>::min();
  constexpr auto end = ~std::uint64_t{0} >> 1;
  check_round_trip({{late, ~0u, end, 0, access_op::zero, true},
                    {early, 0, end - ~0u, ~0u, access_op::read, false},
                    {late, ~0u, 0, 1, access_op::write, true}});
  check_round_trip({{1, 0, std::uint64_t{1} << 62, 1u << 31, access_op::read, false}});
}

TEST_CASE("access log: a record beyond the largest volume is refused, as are too many") {
  records_t far{{0, 0, ~std::uint64_t{0} >> 1, 1, access_op::read, false}};
  CHECK(encode_access_segment(far).error().code == errc::invalid);
  records_t many(access_segment_records_max + 1);
  CHECK(encode_access_segment(many).error().code == errc::too_large);
}

TEST_CASE("access log: the header tells count and times without unpacking") {
  auto bytes = encode_access_segment(records_t{{30, 0, 0, 1, access_op::read, false},
                                               {10, 0, 0, 1, access_op::read, false},
                                               {20, 0, 0, 1, access_op::read, false}});
  REQUIRE(bytes);
  auto head = read_access_segment_header(*bytes);
  REQUIRE(head);
  CHECK(head->records == 3);
  CHECK(head->first_us == 10);
  CHECK(head->last_us == 30);
}

TEST_CASE("access log: clustered random 4 KiB I/O takes less than 4 bytes a record") {
  auto records = clustered_records(65536);
  auto bytes = encode_access_segment(records);
  REQUIRE(bytes);
  auto per_record = static_cast<double>(bytes->size()) / static_cast<double>(records.size());
  MESSAGE("bytes per record: " << per_record);
  CHECK(per_record < 4);
  check_round_trip(records);
}

TEST_CASE("access log: a segment cut anywhere is malformed") {
  auto bytes = encode_access_segment(random_records(1, 50));
  REQUIRE(bytes);
  for (std::size_t n = 0; n < bytes->size(); ++n) {
    auto got = decode_access_segment(std::string_view{*bytes}.substr(0, n));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::malformed);
  }
  CHECK_FALSE(decode_access_segment(*bytes + "x"));
}

TEST_CASE("access log: a damaged segment is malformed or, at worst, says the same") {
  auto records = random_records(2, 100);
  auto bytes = encode_access_segment(records);
  REQUIRE(bytes);
  for (std::size_t i = 0; i < bytes->size() * 8; ++i) {
    auto damaged = *bytes;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    auto got = decode_access_segment(damaged);
    // zstd's frame header has bits that change nothing; the shift is only in our header.
    CHECK((!got || *got == records || i / 8 == 5));
  }
}

TEST_CASE("access log: random bytes behind a valid header are malformed") {
  auto bytes = encode_access_segment(random_records(3, 100));
  REQUIRE(bytes);
  std::mt19937_64 random(4);
  for (int round = 0; round < 2000; ++round) {
    auto noise = *bytes;
    for (std::size_t i = round % 2 == 0 ? 32 : 8; i < noise.size(); ++i)
      noise[i] = static_cast<char>(random());
    CHECK_FALSE(decode_access_segment(noise));
  }
}

TEST_CASE("access log: a header that claims more than could be is refused before memory is taken") {
  auto bytes = encode_access_segment(random_records(5, 10));
  REQUIRE(bytes);
  for (std::size_t at : {8u, 12u}) {
    auto huge = *bytes;
    for (std::size_t i = 0; i < 4; ++i)
      huge[at + i] = '\xff';
    CHECK_FALSE(decode_access_segment(huge));
  }
}

TEST_CASE("access log: zeroing counts as writing") {
  CHECK_FALSE(to_access({2500, 1, 4096, 512, access_op::read, true}).write);
  auto got = to_access({2500, 1, 4096, 512, access_op::zero, true});
  CHECK(got.write);
  CHECK(got.at_ms == 2);
  CHECK(got.offset == 4096);
  CHECK(got.bytes == 512);
}
