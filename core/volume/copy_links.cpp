// SPDX-License-Identifier: Apache-2.0
#include "core/volume/copy_links.hpp"

#include <algorithm>

namespace foreshift {

result<nbd_connection> copy_links::take(const std::string& address, std::uint64_t volume) {
  for (;;) {
    nbd_connection link;
    {
      std::lock_guard lock{mutex_};
      auto found = idle_.find({address, volume});
      if (found == idle_.end() || found->second.empty())
        break;
      link = std::move(found->second.back().link);
      found->second.pop_back();
    }
    // The peer may have ended meanwhile: that shows when the socket is looked at.
    nbd_poll(link.get(), 0);
    if (!nbd_lost(link.get()))
      return link;
  }
  return nbd_open(address, copy_export_name(volume), options_);
}

void copy_links::give_back(const std::string& address, std::uint64_t volume, nbd_connection link) {
  if (nbd_lost(link.get()))
    return;
  std::lock_guard lock{mutex_};
  auto& kept = idle_[{address, volume}];
  if (kept.size() < kept_max)
    kept.push_back({std::move(link), clock_.monotonic_ns()});
}

void copy_links::expire() {
  std::vector<idle> old;
  auto before = clock_.monotonic_ns()
                - std::chrono::duration_cast<std::chrono::nanoseconds>(kept_for).count();
  std::lock_guard lock{mutex_};
  for (auto at = idle_.begin(); at != idle_.end();) {
    auto& kept = at->second;
    auto first = std::partition(kept.begin(), kept.end(),
                                [&](const idle& x) { return x.since_ns > before; });
    std::move(first, kept.end(), std::back_inserter(old));
    kept.erase(first, kept.end());
    at = kept.empty() ? idle_.erase(at) : std::next(at);
  }
}

} // namespace foreshift
