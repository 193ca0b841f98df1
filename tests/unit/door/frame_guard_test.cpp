// SPDX-License-Identifier: Apache-2.0
#include "core/door/frame_guard.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace foreshift;
using foreshift::door::frame_guard;

namespace {

/// A segment table that claims these sizes in words, without the words.
std::vector<std::byte> table(std::vector<std::uint32_t> sizes) {
  std::vector<std::uint32_t> words{static_cast<std::uint32_t>(sizes.size() - 1)};
  words.insert(words.end(), sizes.begin(), sizes.end());
  if (words.size() % 2 == 1)
    words.push_back(0);
  auto raw = std::as_bytes(std::span{words});
  return {raw.begin(), raw.end()};
}

/// A whole frame.
std::vector<std::byte> frame(std::vector<std::uint32_t> sizes) {
  auto out = table(sizes);
  for (auto words : sizes)
    out.resize(out.size() + std::size_t{words} * 8, std::byte{0xee});
  return out;
}

} // namespace

TEST_CASE("frame_guard: counts whole frames, in whatever pieces they arrive") {
  std::vector<std::byte> stream;
  for (auto sizes : {std::vector<std::uint32_t>{1}, {2, 3}, {1, 0, 4}, {5, 1, 1, 1}}) {
    auto one = frame(sizes);
    stream.insert(stream.end(), one.begin(), one.end());
  }
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    frame_guard uut{1024};
    for (std::size_t at = 0; at < stream.size(); at += piece)
      REQUIRE(uut.pass(std::span{stream}.subspan(at, std::min(piece, stream.size() - at))));
    CHECK(uut.frames() == 4);
  }
}

TEST_CASE("frame_guard: a frame counts with its last byte") {
  frame_guard uut{1024};
  auto stream = frame({2});
  REQUIRE(uut.pass(std::span{stream}.first(stream.size() - 1)));
  CHECK(uut.frames() == 0);
  REQUIRE(uut.pass(std::span{stream}.last(1)));
  CHECK(uut.frames() == 1);
}

TEST_CASE("frame_guard: the limit is on the sum of the segments, and exact") {
  CHECK(frame_guard{64}.pass(table({8})));
  CHECK(frame_guard{64}.pass(table({3, 5})));
  CHECK(frame_guard{64}.pass(table({9})).error().code == errc::too_large);
  CHECK(frame_guard{64}.pass(table({3, 6})).error().code == errc::too_large);
  CHECK(frame_guard{64}.pass(table({3, 3, 3})).error().code == errc::too_large);
}

TEST_CASE("frame_guard: sizes that would wrap around are too large") {
  std::vector<std::uint32_t> sizes(64, 0xffffffffu);
  CHECK(frame_guard{1024}.pass(table(sizes)).error().code == errc::too_large);
}

TEST_CASE("frame_guard: too many segments and empty frames are malformed") {
  CHECK(frame_guard{1024, 64}.pass(table(std::vector<std::uint32_t>(64, 1))));
  CHECK(frame_guard{1024, 64}.pass(table(std::vector<std::uint32_t>(65, 1))).error().code
        == errc::malformed);
  std::vector<std::byte> ones(8, std::byte{0xff});
  CHECK(frame_guard{1024}.pass(ones).error().code == errc::malformed);
  CHECK(frame_guard{1024}.pass(table({0})).error().code == errc::malformed);
}

TEST_CASE("frame_guard: a refused stream stays refused") {
  frame_guard uut{64};
  CHECK_FALSE(uut.pass(table({9})));
  CHECK_FALSE(uut.pass(frame({1})));
  CHECK(uut.frames() == 0);
}

TEST_CASE("frame_guard: how random bytes are cut into pieces makes no difference") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    std::vector<std::byte> stream(256);
    for (auto& x : stream)
      x = std::byte(random() % (seed % 2 == 0 ? 256 : 3)); // small numbers make plausible tables
    frame_guard whole{1u << 16};
    frame_guard pieces{1u << 16};
    bool whole_ok = static_cast<bool>(whole.pass(stream));
    bool pieces_ok = true;
    for (std::size_t at = 0; at < stream.size();) {
      auto take = std::min<std::size_t>(1 + random() % 9, stream.size() - at);
      pieces_ok = pieces.pass(std::span{stream}.subspan(at, take)) && pieces_ok;
      at += take;
    }
    CHECK(whole_ok == pieces_ok);
    CHECK(whole.frames() == pieces.frames());
  }
}
