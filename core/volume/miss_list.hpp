// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace foreshift {

/// Extents that clients had to read from another host of late, bounded. Any thread.
class miss_list {
public:
  static constexpr std::size_t kept_max = 64;
  static constexpr std::int64_t kept_ns = 10'000'000'000;

  void note(std::uint32_t extent, std::int64_t now_ns) {
    std::lock_guard lock{mutex_};
    auto at =
        std::find_if(list_.begin(), list_.end(), [&](const miss& x) { return x.extent == extent; });
    if (at != list_.end())
      list_.erase(at);
    else if (list_.size() == kept_max)
      list_.pop_back();
    list_.push_front({extent, now_ns});
  }

  /// Not older than `kept_ns`; the latest first.
  std::vector<std::uint32_t> recent(std::int64_t now_ns) const {
    std::lock_guard lock{mutex_};
    std::vector<std::uint32_t> out;
    for (const auto& x : list_)
      if (now_ns - x.at_ns <= kept_ns)
        out.push_back(x.extent);
    return out;
  }

  void clear() {
    std::lock_guard lock{mutex_};
    list_.clear();
  }

private:
  struct miss {
    std::uint32_t extent;
    std::int64_t at_ns;
  };

  mutable std::mutex mutex_;
  std::deque<miss> list_; ///< The latest first.
};

} // namespace foreshift
