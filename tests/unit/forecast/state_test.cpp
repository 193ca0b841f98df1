// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/forecaster.hpp"

#include <doctest/doctest.h>

#include <random>

#include <zstd.h>

using namespace foreshift;

namespace {

constexpr std::uint64_t mib = 1u << 20;

forecaster_options options() {
  return {.size_bytes = 4096 * mib};
}

/// Random I/O beside a stream, ending inside a window and inside an evaluation.
void feed(forecaster& to, std::int64_t from_ms, int ms, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::int64_t now_ms = from_ms; now_ms < from_ms + ms; ++now_ms) {
    to.observe({now_ms, (random() % 100) * (random() % 40) * mib, 8192, random() % 3 == 0});
    to.observe({now_ms, static_cast<std::uint64_t>(now_ms) * 65536 % (4096 * mib), 65536, false});
  }
}

bool same(const forecast& a, const forecast& b) {
  return a.total_reads == b.total_reads && a.total_writes == b.total_writes
         && a.extents == b.extents && a.observed_ms == b.observed_ms && a.experts == b.experts;
}

std::string unpacked(const std::string& state) {
  std::string out(ZSTD_getFrameContentSize(state.data() + 8, state.size() - 8), '\0');
  ZSTD_decompress(out.data(), out.size(), state.data() + 8, state.size() - 8);
  return out;
}

std::string packed(const std::string& body, const std::string& head) {
  std::string out(ZSTD_compressBound(body.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), body.data(), body.size(), 1));
  return head + out;
}

} // namespace

TEST_CASE("forecaster state: a loaded forecaster predicts the same, and learns on") {
  auto a = make_forecaster(options());
  feed(*a, 1'000'000, 12'345, 1);
  auto b = make_forecaster(options());
  REQUIRE(b->load(a->save()));
  CHECK(same(a->predict(1000), b->predict(1000)));
  CHECK(a->save() == b->save());
  feed(*a, 1'012'345, 20'000, 2);
  feed(*b, 1'012'345, 20'000, 2);
  // Trials under way are not carried: verdicts come later. What was counted is the same.
  CHECK(a->predict(1000).total_reads == b->predict(1000).total_reads);
  CHECK(a->predict(1000).extents_active == b->predict(1000).extents_active);
}

TEST_CASE("forecaster state: an empty forecaster saves and loads") {
  auto a = make_forecaster(options());
  auto b = make_forecaster(options());
  feed(*b, 0, 5000, 1);
  REQUIRE(b->load(a->save()));
  CHECK(b->predict(10).extents.empty());
}

TEST_CASE("forecaster state: a smaller forecaster keeps the hottest") {
  auto a = make_forecaster(options());
  feed(*a, 0, 10'500, 1);
  auto few = options();
  few.extents_max = 64;
  auto b = make_forecaster(few);
  REQUIRE(b->load(a->save()));
  CHECK(b->predict(1000).extents_active == 64);
  feed(*b, 10'500, 3000, 2);
  CHECK(b->predict(1000).extents_active <= 64);
}

TEST_CASE("forecaster state: another extent size, window or volume is refused") {
  auto a = make_forecaster(options());
  feed(*a, 0, 5000, 1);
  auto state = a->save();
  for (auto other : {forecaster_options{.size_bytes = 4096 * mib, .extent_bytes = 2 * mib},
                     forecaster_options{.size_bytes = 4096 * mib, .window_ms = 500},
                     forecaster_options{.size_bytes = 10 * mib}}) {
    auto b = make_forecaster(other);
    auto got = b->load(state);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::malformed);
  }
}

TEST_CASE("forecaster state: rubbish is malformed and changes nothing") {
  auto a = make_forecaster(options());
  feed(*a, 0, 6000, 1);
  auto before = a->predict(1000);
  auto state = a->save();
  std::mt19937_64 random(5);
  std::vector<std::string> rubbish{
      "", "FSFC", "x", std::string(100, '\0'), state + "x", state.substr(0, state.size() / 2)};
  for (std::size_t i = 0; i < 200; ++i) {
    auto damaged = state;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 + random() % 255);
    rubbish.push_back(damaged);
    rubbish.push_back(state.substr(0, random() % state.size()));
  }
  for (auto& bytes : rubbish) {
    auto got = a->load(bytes);
    // A flipped bit may be one that zstd ignores; then the state is the same.
    CHECK((got || got.error().code == errc::malformed));
  }
  CHECK(same(before, a->predict(1000)));
}

TEST_CASE("forecaster state: well packed nonsense is refused or harmless") {
  auto a = make_forecaster({.size_bytes = 64 * mib});
  std::mt19937_64 random(5);
  for (std::int64_t now_ms = 0; now_ms < 6500; ++now_ms)
    a->observe({now_ms, random() % 64 * mib, 4096, false});
  auto state = a->save();
  auto head = state.substr(0, 8);
  auto body = unpacked(state);
  for (int i = 0; i < 1000; ++i) {
    auto damaged = body;
    auto at = random() % damaged.size();
    for (auto n = 1 + random() % 4; n > 0 && at < damaged.size(); --n, ++at)
      damaged[at] = static_cast<char>(i % 2 == 0 ? random() : 0xff);
    auto b = make_forecaster({.size_bytes = 64 * mib});
    if (!b->load(packed(damaged, head)))
      continue;
    auto got = b->predict(100);
    CHECK(got.total_reads >= 0);
    b->observe({7000, 0, 4096, true});
    b->advance(30'000);
    CHECK(b->predict(100).extents.size() <= 200);
  }
}

TEST_CASE("forecaster state: a frame that claims a huge content is refused") {
  auto a = make_forecaster({.size_bytes = 64 * mib, .extents_max = 8});
  // A zstd frame header with an 8 byte content size of 1 TiB.
  constexpr std::string_view frame{"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\1\0\0\1\0\0", 16};
  auto got = a->load(a->save().substr(0, 8) + std::string{frame});
  REQUIRE_FALSE(got);
  CHECK(got.error().detail.find("impossible size") != std::string::npos);
}

TEST_CASE("forecaster state: a restored merge is not fitted anew to its first few lessons") {
  forecaster_options small;
  small.size_bytes = 1024 * mib;
  small.more_horizons_ms = {};
  small.lstm = false;
  small.study_apart = true;
  auto f = make_forecaster(small);
  std::mt19937_64 random(3);
  std::int64_t now_ms = 0;
  auto fits = [&](int minutes) {
    int out = 0;
    for (int second = 0; second < 60 * minutes; ++second) {
      for (int i = 0; i < 20; ++i)
        f->observe({now_ms, random() % 40 * mib, 4096, false});
      now_ms += 1000;
      f->advance(now_ms);
      while (f->study())
        ++out;
    }
    return out;
  };
  CHECK(fits(6) > 0); // a verdict every 12 s, once the first minute has passed
  auto state = f->save();
  f = make_forecaster(small);
  REQUIRE(f->load(state));
  CHECK(fits(3) == 0);
  CHECK(fits(4) > 0);
}
