// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace foreshift {

/// What a host knows of one extent.
enum class extent_state : std::uint8_t {
  unknown = 0,     ///< No record, and nobody has asked yet whether this is a home.
  home_zeroes = 1, ///< No record, a home: reads as zeroes.
  foreign = 2,     ///< No record, not a home: refused.
  present = 3,
  staged = 4,
  retired = 5,
  lost = 6, ///< Data that may be stale: refused.
};

/// The state of every extent of a volume: one byte each, in pages made on first use (16 KiB of
/// pointers and 1 KiB per touched GiB for a TiB of 1 MiB extents). Lock-free; any thread.
class residency_table {
public:
  explicit residency_table(std::uint32_t extents);
  ~residency_table();
  residency_table(const residency_table&) = delete;
  residency_table& operator=(const residency_table&) = delete;

  extent_state get(std::uint32_t extent) const noexcept {
    const auto* at = pages_[extent / page_extents].load(std::memory_order_acquire);
    return at ? at->states[extent % page_extents].load(std::memory_order_acquire)
              : extent_state::unknown;
  }

  void set(std::uint32_t extent, extent_state to) { slot(extent).store(to); }

  /// Changes `unknown` to `to`; returns what the extent is then.
  extent_state learn(std::uint32_t extent, extent_state to);

private:
  static constexpr std::uint32_t page_extents = 1024;
  struct page {
    std::atomic<extent_state> states[page_extents] = {};
  };

  std::atomic<extent_state>& slot(std::uint32_t extent);

  std::vector<std::atomic<page*>> pages_;
};

} // namespace foreshift
