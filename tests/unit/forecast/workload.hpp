// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/forecaster.hpp"

#include <cstdint>
#include <iterator>
#include <random>
#include <set>

namespace foreshift::test {

inline constexpr std::uint64_t mib = 1u << 20;

/// Feeds one forecaster with synthetic I/O, one millisecond steps, from a fixed seed.
struct workload {
  forecaster& to;
  std::mt19937_64 random{11};
  std::int64_t now_ms = 1'700'000'000'000;

  void one(std::uint64_t offset, std::uint32_t bytes = 4096, bool write = false) {
    to.observe({now_ms, offset, bytes, write});
  }

  /// `per_ms` random 4 KiB requests a millisecond: 95 % to `hot` extents, the rest to all
  /// `extents`.
  void clustered(int seconds, std::uint32_t hot_begin, std::uint32_t hot, std::uint32_t extents,
                 int writes_percent = 30) {
    for (int i = 0; i < seconds * 1000; ++i, ++now_ms) {
      auto in_hot = random() % 100 < 95;
      auto extent = in_hot ? hot_begin + random() % hot : random() % extents;
      auto write = random() % 100 < static_cast<unsigned>(writes_percent);
      one(extent * mib + random() % 256 * 4096, 4096, write);
    }
    to.advance(now_ms);
  }

  /// Reads `bytes_per_ms` a millisecond, in order, in requests of 128 KiB.
  std::uint64_t sequential(int seconds, std::uint64_t at, std::uint64_t bytes_per_ms) {
    std::uint64_t owed = 0;
    for (int i = 0; i < seconds * 1000; ++i, ++now_ms)
      for (owed += bytes_per_ms; owed >= 128 * 1024; owed -= 128 * 1024, at += 128 * 1024)
        one(at, 128 * 1024);
    to.advance(now_ms);
    return at;
  }

  void idle(int seconds) {
    now_ms += seconds * 1000;
    to.advance(now_ms);
  }
};

inline forecaster_options four_gib() {
  return {.size_bytes = 4096 * mib};
}

inline std::set<std::uint32_t> extents_of(const forecast& got) {
  std::set<std::uint32_t> out;
  for (auto& heat : got.extents)
    out.insert(heat.extent);
  return out;
}

inline double share_in(const std::set<std::uint32_t>& extents, std::uint32_t begin,
                       std::uint32_t count) {
  auto found = std::distance(extents.lower_bound(begin), extents.lower_bound(begin + count));
  return static_cast<double>(found) / count;
}

} // namespace foreshift::test
