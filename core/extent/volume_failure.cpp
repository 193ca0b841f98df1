// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/log.hpp"

#include <vector>

namespace foreshift {

result<void> volume_extents_impl::usable() const {
  if (!failed_.load(std::memory_order_relaxed)) {
    if (doubt() == 0)
      return {};
    return fault{errc::storage, "the machine has restarted, and what this host has of volume "
                                    + std::to_string(layout_.id) + " may lack the last writes"};
  }
  return fault{errc::storage, "the replica of volume " + std::to_string(layout_.id)
                                  + " on this host has failed: " + failure()};
}

std::string volume_extents_impl::failure() const {
  std::lock_guard lock(failure_mutex_);
  return failure_;
}

/// The first failure counts. If even the note of it cannot be made durable, it ends with the
/// process.
fault volume_extents_impl::fail(const fault& why) {
  std::lock_guard lock(failure_mutex_);
  if (failed_)
    return {errc::storage, why.detail};
  failure_ = why.detail;
  failed_ = true;
  slog::error("volume {} is not served from this host any more, its replica has failed: {}",
              layout_.id, failure_);
  if (auto noted = disk_->records->put_failure(layout_.id, failure_); !noted)
    slog::error("volume {} cannot note that its replica has failed: {}", layout_.id,
                noted.error().detail);
  return {errc::storage, why.detail};
}

result<void> volume_extents_impl::trust(std::uint64_t doubt) {
  if (auto ok = alive(); !ok)
    return ok;
  if (auto ok = boot_.trust(doubt); !ok)
    return ok;
  slog::info("volume {} is served from this host again after its restart", layout_.id);
  return {};
}

result<void> volume_extents_impl::reopen() {
  if (!failed_)
    return fault{errc::precondition,
                 "the replica of volume " + std::to_string(layout_.id) + " has not failed"};
  for (auto move : moves_staged())
    if (auto ok = abort(move); !ok)
      return ok;
  std::vector<std::uint32_t> held;
  auto former = inventory();
  for (auto extent : former.present | former.lost)
    held.push_back(extent);
  if (auto ok = retire(held); !ok)
    return ok;
  std::lock_guard moves(moves_mutex_);
  if (auto ok = alive(); !ok)
    return ok;
  for (auto& at : segments_)
    if (auto* segment = at.load())
      segment->forgive();
  std::lock_guard lock(failure_mutex_);
  if (auto ok = disk_->records->erase_failure(layout_.id); !ok)
    return ok;
  if (auto ok = boot_.trust(doubt()); !ok) // nothing is left to doubt
    return ok;
  failure_.clear();
  failed_ = false;
  slog::info("volume {} takes requests again, without its former extents", layout_.id);
  return {};
}

} // namespace foreshift
