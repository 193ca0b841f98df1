// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace foreshift::history {

/// Blocks are checked one by one: each is an atomic register of this many bytes.
inline constexpr std::uint64_t block_bytes = 4096;

enum class op_kind : std::uint8_t {
  read,  ///< Saw `stamp`.
  write, ///< Put `stamp`, which no other write of the block carries; never 0.
  zero,  ///< Put zeroes: stamp 0.
};

/// How a request ended, as its client knows it. A write that failed may have taken effect all the
/// same, at any time after it began; a read that failed says nothing.
enum class outcome : std::uint8_t { ok, failed, unknown };

/// The end of what never ended.
inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

/// Returned by a read whose 4 KiB are no stamped block (torn, foreign, or corrupt).
inline constexpr std::uint64_t torn_stamp = std::numeric_limits<std::uint64_t>::max();

/// One request of one client to one block. Times are of one clock for all clients, in any unit;
/// two requests are in order only when one ended strictly before the other began. A block that was
/// never written reads as stamp 0.
struct operation {
  std::uint64_t block = 0;
  std::uint64_t stamp = 0;
  std::int64_t start = 0;
  std::int64_t end = never;
  std::uint32_t client = 0;
  op_kind kind = op_kind::read;
  outcome how = outcome::ok;
  std::uint64_t line = 0; ///< Where it was recorded; 0: nowhere.

  friend bool operator==(const operation&, const operation&) = default;
};

/// "line 12: client 3 wrote stamp 7 to block 9 from 100 to 250 (unknown)".
std::string describe(const operation& op);

/// May it have changed the block?
constexpr bool is_update(const operation& op) {
  return op.kind != op_kind::read;
}

} // namespace foreshift::history
