// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/extent/extent_records.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace foreshift {

/// Whether a volume's extents here may lack what was written but not synced when the machine lost
/// power: its blocks match their checksums and are older than they should be, which nothing on this
/// host can see. So the first change of a volume after each start of the machine is noted, synced;
/// a note of another start is a doubt, which lasts until somebody who knows the other replicas ends
/// it. Costs one sync a volume and start, else a load. Any thread.
class boot_note {
public:
  boot_note(extent_records& records, std::uint64_t volume) : records_(records), volume_(volume) {}

  /// What former processes noted; `boot` names this start of the machine, `wall_ms` is now.
  result<void> load(const std::string& boot, std::int64_t wall_ms);

  /// Whether what is stored says that an earlier process has doubted already.
  static bool doubted(std::string_view stored);

  /// Before a change. Only without a doubt.
  result<void> note() {
    return noted_.load(std::memory_order_acquire) ? result<void>{} : note_first();
  }

  /// Names the doubt; 0: there is none. As far as clocks agree, one that began later is greater.
  std::uint64_t doubt() const { return doubt_.load(std::memory_order_acquire); }

  /// Ends that doubt, durably; nothing if there is none. `refused` for another one.
  result<void> trust(std::uint64_t doubt);

private:
  result<void> note_first();

  extent_records& records_;
  const std::uint64_t volume_;
  std::string boot_;
  std::mutex mutex_;
  std::atomic<bool> noted_{false};
  std::atomic<std::uint64_t> doubt_{0};
};

} // namespace foreshift
