// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/extent/disk.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace foreshift {

/// A replicated write that may have reached some replicas and not others.
struct write_intent {
  std::uint64_t volume = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t slot = 0;
};

/// Which replicated writes are in flight, in a small mapped file: survives the death of the process
/// (not of the machine, after which a lease holder starts from its partition hosts' state anyway),
/// so that the next one makes the replicas of those ranges equal before it serves them. Any thread.
class write_intents {
public:
  static constexpr std::uint32_t slots = 4096;

  /// Fails with `storage`.
  static result<std::unique_ptr<write_intents>> open(const std::string& path,
                                                     disk_io& disk = real_disk());
  write_intents(const write_intents&) = delete;
  write_intents& operator=(const write_intents&) = delete;

  /// Notes a write before its first byte leaves. Waits (rarely) when all slots are taken.
  std::uint32_t begin(std::uint64_t volume, std::uint64_t offset, std::uint64_t length);

  /// All replicas have it.
  void end(std::uint32_t slot);

  /// Whether a write of any of these bytes is noted; cheap enough for every read.
  bool overlaps(std::uint64_t volume, std::uint64_t offset, std::uint64_t length) const;

  /// What is noted for `volume` now; after a restart, what the former process left behind.
  std::vector<write_intent> of(std::uint64_t volume) const;

  /// Whether nothing at all is noted, at the cost of one load.
  bool empty() const { return used_.load() == 0; }

  /// Clears what a former process left noted for `volume`; not what is in flight.
  void clear_left(std::uint64_t volume);

private:
  struct record {
    std::atomic<std::uint64_t> volume; ///< 0: free; written last.
    std::atomic<std::uint64_t> offset;
    std::atomic<std::uint64_t> length;
    std::uint64_t spare[5];
  };
  static_assert(sizeof(record) == 64);

  write_intents(std::unique_ptr<disk_file> file, record* records);
  std::uint32_t claim();

  /// Calls `see(slot)` for every slot that is taken, until it returns true.
  template <class F>
  bool any(F&& see) const;

  const std::unique_ptr<disk_file> file_;
  record* records_;
  std::array<std::atomic<std::uint64_t>, slots / 64> taken_{}; ///< One bit a slot.
  std::mutex left_mutex_;
  std::vector<std::uint32_t> left_;    ///< Slots of a former process.
  std::atomic<std::uint32_t> next_{0}; ///< Where the search for a slot begins, in words.
  std::atomic<std::uint32_t> used_{0};
};

} // namespace foreshift
