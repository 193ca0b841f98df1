// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/disk.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace foreshift {

/// What is about to be changed in two places; the meaning of the fields is the owner's, `a` != 0.
struct intent {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;

  friend bool operator==(const intent&, const intent&) = default;
};

/// A small file of slots, mapped into memory: a slot is claimed before a change that takes two
/// steps and cleared after it, at the cost of a few stores. After a kill -9 the slots left name
/// what may be half done. Covers the death of the process, not of the machine: nothing is synced
/// here, and slots of another boot are dropped. Any thread.
class intent_log {
public:
  /// Opens or creates. `slots_min` is the number of changes in flight at once.
  static result<std::unique_ptr<intent_log>> open(disk_io& disk, const std::string& path,
                                                  std::uint32_t slots_min = 128);

  /// What a former process since the machine's start left half done.
  const std::vector<intent>& leftover() const { return leftover_; }

  /// Clears the leftovers, once they are repaired. Once, before or while others claim.
  void settle();

  /// A claimed slot; cleared when this goes away.
  class claim {
  public:
    claim(intent_log& log, std::uint32_t slot) noexcept : log_(&log), slot_(slot) {}
    claim(claim&& other) noexcept : log_(std::exchange(other.log_, nullptr)), slot_(other.slot_) {}
    claim& operator=(claim&&) = delete;
    ~claim() {
      if (log_)
        log_->release(slot_);
    }

  private:
    intent_log* log_;
    std::uint32_t slot_;
  };

  /// Waits when every slot is in use.
  [[nodiscard]] claim begin(const intent& what);

private:
  struct slot {
    std::uint64_t a, b, c, boot; ///< `a` is stored last and cleared first.
  };

  intent_log(std::unique_ptr<disk_file> file, std::span<std::byte> mapped, std::uint64_t boot);

  void release(std::uint32_t index) noexcept;

  const std::unique_ptr<disk_file> file_;
  slot* slots_;
  const std::uint64_t boot_;                     ///< Names this start of the machine.
  std::vector<std::atomic<std::uint64_t>> used_; ///< One bit a slot.
  std::counting_semaphore<> free_;
  std::vector<intent> leftover_;
  std::vector<std::uint32_t> leftover_slots_;
};

} // namespace foreshift
