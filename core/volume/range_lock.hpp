// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace foreshift {

/// Bytes [begin, end) of a volume.
struct byte_range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// Orders overlapping writes of one volume: first come, first served, in units of 4 KiB blocks. Any
/// thread. Uncontended cost: two short critical sections.
class range_lock {
public:
  class guard {
  public:
    guard(guard&& other) noexcept;
    guard& operator=(guard&&) = delete;
    ~guard();

  private:
    friend class range_lock;
    guard(range_lock* owner, std::uint64_t ticket) : owner_(owner), ticket_(ticket) {}

    range_lock* owner_;
    std::uint64_t ticket_;
  };

  /// Waits until no earlier holder or waiter overlaps [offset, offset + length).
  [[nodiscard]] guard acquire(std::uint64_t offset, std::uint64_t length);

  /// All of `ranges` at once, so that two callers with several ranges cannot block each other.
  [[nodiscard]] guard acquire(const std::vector<byte_range>& ranges);

  /// The same, but gives up after `patience`.
  [[nodiscard]] std::optional<guard> acquire_within(const std::vector<byte_range>& ranges,
                                                    std::chrono::milliseconds patience);

private:
  struct entry {
    std::uint64_t ticket;
    byte_range range;
  };

  std::uint64_t queue(const byte_range* ranges, std::size_t count);
  guard enter(const byte_range* ranges, std::size_t count);
  bool blocked(std::uint64_t ticket) const;
  void release(std::uint64_t ticket);
  void drop(std::uint64_t ticket);

  std::mutex mutex_;
  std::condition_variable released_;
  std::vector<entry> entries_; ///< Holders and waiters in order of arrival; tickets grow.
  std::uint64_t tickets_ = 0;
  std::uint32_t waiting_ = 0;
};

} // namespace foreshift
