// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/base/roaring.hpp"
#include "core/extent/extent_records.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace foreshift {

/// Which extents of a volume were changed while another host's replica was out, one set for each
/// map version that left a host out. Durable: a note is on disk before the change it is about is
/// made, so what is not noted is unchanged. Nothing is noted, at the cost of one load, while
/// nothing is watched. Any thread.
class watch_notes {
public:
  watch_notes(extent_records& records, std::uint64_t volume, std::uint32_t extents);

  /// What a former process noted.
  result<void> load();

  /// Begins a set, synced; nothing if it exists.
  result<void> watch(std::uint64_t since);

  /// Forgets a set, synced; nothing if there is none.
  result<void> unwatch(std::uint64_t since);

  /// The set, unless `since` is not watched.
  std::optional<roaring::Roaring> changed(std::uint64_t since) const;

  /// What is watched, ascending.
  std::vector<std::uint64_t> watches() const;

  /// Before a change of `extent`: puts it into every set. Synced the first time, later a look at
  /// one bit.
  result<void> note(std::uint32_t extent) {
    return watching_.load(std::memory_order_acquire) ? note_watched(extent) : result<void>{};
  }

private:
  result<void> note_watched(std::uint32_t extent);
  void renew(); ///< Under `mutex_`, after the sets were changed.

  extent_records& records_;
  const std::uint64_t volume_;
  const std::uint32_t extents_;

  /// In every set: a bit an extent, made by the first watch and kept.
  std::unique_ptr<std::atomic<std::uint64_t>[]> noted_;
  std::atomic<bool> watching_{false}; ///< Stored after `noted_` is there.

  mutable std::mutex mutex_;
  std::mutex sets_changes_; ///< One watch or unwatch at a time.
  std::map<std::uint64_t, roaring::Roaring> sets_;
  std::uint64_t generation_ = 0; ///< Of the sets: bits of an older one say nothing.
};

} // namespace foreshift
