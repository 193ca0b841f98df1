// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace foreshift {

enum class access_op : std::uint8_t { read = 0, write = 1, zero = 2 };

/// One client request. `volume_slot` is the caller's small number for a volume, below 2^21.
struct access_note {
  std::int64_t at_ns = 0; ///< Monotonic.
  std::uint64_t sector = 0;
  std::uint32_t bytes = 0;
  std::uint32_t vci = 0;
  std::uint32_t volume_slot = 0;
  access_op op = access_op::read;
  bool local = false;

  friend bool operator==(const access_note&, const access_note&) = default;
};

/// Bounded queue of access notes: any thread puts, one thread at a time takes. A full ring drops
/// the new note and counts it; `put` never waits (Vyukov's bounded queue, 32 bytes a note).
class access_ring {
public:
  /// Capacity is rounded up to a power of two; 0: nothing is ever kept, and nothing counted as
  /// dropped.
  explicit access_ring(std::size_t capacity);

  void put(const access_note& note);

  /// Takes up to `max` notes, oldest first.
  std::vector<access_note> take(std::size_t max);

  /// Whether `take` would find something now.
  bool pending() const;

  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
  struct cell {
    std::atomic<std::uint64_t> turn;
    std::int64_t at_ns;
    std::uint64_t packed; ///< sector:40 slot:21 op:2 local:1
    std::uint32_t bytes;
    std::uint32_t vci;
  };

  const bool off_;
  const std::size_t mask_;
  std::unique_ptr<cell[]> cells_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  alignas(64) std::atomic<std::uint64_t> dropped_{0};
};

} // namespace foreshift
