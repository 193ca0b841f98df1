// SPDX-License-Identifier: Apache-2.0
#include "core/extent/boot_note.hpp"

#include "core/base/planted.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace foreshift {

result<void> boot_note::load(const std::string& boot, std::int64_t wall_ms) {
  auto former = records_.boot(volume_);
  if (!former)
    return former.error();
  boot_ = boot;
  noted_ = *former == boot;
  if (former->empty() || *former == boot || planted(bug::ignore_restart))
    return {};
  // Another one after each start, so that a late answer to an earlier doubt does not end this one.
  auto both = *former + '\n' + boot;
  constexpr unsigned hash_bits = 20;
  auto hash = XXH3_64bits(both.data(), both.size()) % (1u << hash_bits);
  doubt_ = static_cast<std::uint64_t>(wall_ms) << hash_bits | std::max<std::uint64_t>(hash, 1);
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
