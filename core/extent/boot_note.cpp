// SPDX-License-Identifier: Apache-2.0
#include "core/extent/boot_note.hpp"

#include "core/base/log.hpp"
#include "core/base/planted.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace foreshift {

namespace {

constexpr char doubted_since = '\n'; ///< Between the start that was noted and a doubt's begin.

std::pair<std::string, std::int64_t> split(const std::string& stored) {
  auto at = stored.find(doubted_since);
  std::int64_t since_ms = 0;
  if (at != stored.npos)
    std::from_chars(stored.data() + at + 1, stored.data() + stored.size(), since_ms);
  return {stored.substr(0, at), since_ms};
}

} // namespace

bool boot_note::doubted(std::string_view stored) {
  return stored.find(doubted_since) != stored.npos;
}

result<void> boot_note::load(const std::string& boot, std::int64_t wall_ms) {
  auto stored = records_.boot(volume_);
  if (!stored)
    return stored.error();
  boot_ = boot;
  noted_ = *stored == boot;
  if (stored->empty() || *stored == boot || planted(bug::ignore_restart))
    return {};
  auto [former, since_ms] = split(*stored);
  if (since_ms == 0) {
    since_ms = wall_ms;
    auto note = former + doubted_since + std::to_string(since_ms);
    if (auto ok = records_.put_boot(volume_, note); !ok)
      slog::warn("since when volume {} is doubted here cannot be noted: {}", volume_,
                 ok.error().detail);
  }
  // Another one after each start, so that a late answer to an earlier doubt does not end this one.
  auto both = former + '\n' + boot;
  constexpr unsigned hash_bits = 20;
  auto hash = XXH3_64bits(both.data(), both.size()) % (1u << hash_bits);
  doubt_ = static_cast<std::uint64_t>(since_ms) << hash_bits | std::max<std::uint64_t>(hash, 1);
  return {};
}

result<void> boot_note::note_first() {
  std::lock_guard lock(mutex_);
  if (noted_ || doubt_ != 0)
    return {};
  if (auto ok = records_.put_boot(volume_, boot_); !ok)
    return ok;
  noted_.store(true, std::memory_order_release);
  return {};
}

result<void> boot_note::trust(std::uint64_t doubt) {
  std::lock_guard lock(mutex_);
  if (doubt_ == 0)
    return {};
  if (doubt != doubt_)
    return fault{errc::refused, "the machine has restarted once more since that was decided"};
  if (auto ok = records_.erase_boot(volume_); !ok)
    return ok;
  doubt_.store(0, std::memory_order_release);
  return {};
}

} // namespace foreshift
