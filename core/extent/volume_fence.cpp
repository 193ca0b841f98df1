// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/planted.hpp"

#include <algorithm>
#include <string>

namespace foreshift {

namespace {

result<void> check_lease(std::uint64_t epoch, std::string_view holder) {
  if (epoch == 0 || holder.empty())
    return fault{errc::invalid, "a lease has an epoch from 1 and a holder"};
  return {};
}

std::string shown(std::uint64_t epoch, std::string_view holder) {
  return "epoch " + std::to_string(epoch) + " of '" + std::string(holder) + "'";
}

} // namespace

fence_state volume_extents_impl::fence() const {
  std::lock_guard lock(fence_mutex_);
  return fence_;
}

result<void> volume_extents_impl::prepare(std::uint64_t epoch, std::string_view holder) {
  if (auto ok = check_lease(epoch, holder); !ok)
    return ok;
  std::lock_guard promotes(promote_mutex_);
  if (auto ok = alive(); !ok)
    return ok;
  auto next = fence();
  if (next.prepared_epoch == epoch && next.prepared_holder == holder)
    return {};
  if (epoch <= next.epoch || epoch <= next.prepared_epoch)
    return fault{errc::refused,
                 shown(epoch, holder) + " cannot be prepared: "
                     + shown(std::max(next.epoch, next.prepared_epoch),
                             next.epoch > next.prepared_epoch ? next.holder : next.prepared_holder)
                     + " was seen"};
  next.prepared_epoch = epoch;
  next.prepared_holder = holder;
  if (auto ok = disk_->records->put_fence(layout_.id, next); !ok)
    return ok;
  std::lock_guard lock(fence_mutex_);
  fence_ = next;
  return {};
}

result<fence_state> volume_extents_impl::promote(std::uint64_t epoch, std::string_view holder) {
  if (auto ok = check_lease(epoch, holder); !ok)
    return ok.error();
  std::lock_guard promotes(promote_mutex_);
  if (auto ok = alive(); !ok)
    return ok.error();
  auto now = fence();
  auto repeated = epoch == now.epoch && holder == now.holder;
  if (repeated && fence_durable_)
    return now;
  auto other = [&](std::uint64_t seen, const std::string& by) {
    return seen > epoch || (seen == epoch && by != holder);
  };
  if (other(now.epoch, now.holder) || other(now.prepared_epoch, now.prepared_holder))
    return fault{errc::refused, shown(epoch, holder) + " cannot be promoted: "
                                    + shown(now.epoch, now.holder) + " was promoted, "
                                    + shown(now.prepared_epoch, now.prepared_holder) + " prepared"};
  fence_state next{epoch, std::string(holder), 0, {}};
  {
    std::lock_guard lock(fence_mutex_);
    fence_ = next;
  }
  // Until the new fence is durable nobody is served: neither the old holder, whose end may already
  // be on disk, nor the new one, whose beginning may not. A failed promote is repeated or outbid.
  fence_durable_ = false;
  if (!planted(bug::promote_without_waiting))
    gate_.close();
  if (!planted(bug::promote_not_durable))
    if (auto ok = disk_->records->put_fence(layout_.id, next); !ok)
      return ok.error();
  fence_durable_ = true;
  gate_.open(epoch);
  return next;
}

} // namespace foreshift
