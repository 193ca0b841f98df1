// SPDX-License-Identifier: Apache-2.0
#include "core/volume/access_ring.hpp"

#include <bit>

namespace foreshift {

namespace {

std::uint64_t pack(const access_note& x) {
  return x.sector << 24 | std::uint64_t{x.volume_slot} << 3 | static_cast<std::uint64_t>(x.op) << 1
         | std::uint64_t{x.local};
}

} // namespace

access_ring::access_ring(std::size_t capacity)
    : off_(capacity == 0), mask_(std::bit_ceil(capacity) - 1), cells_(new cell[mask_ + 1]) {
  for (std::size_t i = 0; i <= mask_; ++i)
    cells_[i].turn.store(i, std::memory_order_relaxed);
}

void access_ring::put(const access_note& note) {
  if (off_)
    return;
  auto at = head_.load(std::memory_order_relaxed);
  for (;;) {
    auto& mine = cells_[at & mask_];
    auto turn = mine.turn.load(std::memory_order_acquire);
    if (turn == at) {
      if (!head_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed))
        continue;
      mine.at_ns = note.at_ns;
      mine.packed = pack(note);
      mine.bytes = note.bytes;
      mine.vci = note.vci;
      mine.turn.store(at + 1, std::memory_order_release);
      return;
    }
    if (turn < at) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    at = head_.load(std::memory_order_relaxed);
  }
}

std::vector<access_note> access_ring::take(std::size_t max) {
  std::vector<access_note> out;
  auto at = tail_.load(std::memory_order_relaxed);
  while (out.size() < max) {
    auto& next = cells_[at & mask_];
    if (next.turn.load(std::memory_order_acquire) != at + 1)
      break;
    auto packed = next.packed;
    out.push_back({next.at_ns, packed >> 24, next.bytes, next.vci,
                   static_cast<std::uint32_t>(packed >> 3 & 0x1fffff),
                   static_cast<access_op>(packed >> 1 & 3), (packed & 1) != 0});
    next.turn.store(at + mask_ + 1, std::memory_order_release);
    ++at;
  }
  tail_.store(at, std::memory_order_relaxed);
  return out;
}

bool access_ring::pending() const {
  auto at = tail_.load(std::memory_order_relaxed);
  return cells_[at & mask_].turn.load(std::memory_order_acquire) == at + 1;
}

} // namespace foreshift
