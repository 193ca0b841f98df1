// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>

namespace foreshift {

/// Blocks of a volume that a gateway found no good copy of, until they are written again. Any
/// thread; asking whether a write matters costs one load while there are none.
class lost_blocks {
public:
  /// `offset` of a block. Beyond 65,536 of them no more are noted.
  void add(std::uint64_t offset);

  /// The range is good again: written, or found in order. Only whole blocks of it count.
  void found(std::uint64_t offset, std::uint64_t length) {
    if (count_.load(std::memory_order_relaxed) != 0)
      erase(offset, length);
  }

  std::size_t count() const { return count_.load(std::memory_order_relaxed); }

private:
  void erase(std::uint64_t offset, std::uint64_t length);

  std::mutex mutex_;
  std::set<std::uint64_t> offsets_;
  std::atomic<std::size_t> count_{0};
};

} // namespace foreshift
