// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/limits/limits.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace foreshift {

/// Bytes a second that copies may use; 0: as much as the other limits leave.
struct move_rates {
  std::uint64_t cell = 64ull << 20; ///< All together.
  std::uint64_t host = 0;           ///< What one host sends and receives.
  std::uint64_t link = 0;           ///< From one host to another.
  std::uint64_t volume = 0;         ///< Of one volume.

  /// What copies of one volume between two hosts get at most; 0: unlimited.
  std::uint64_t of_one() const;
  /// What one host gets at most; 0: unlimited.
  std::uint64_t of_host() const;
};

/// Token buckets over copies: one for all, one a host, a link and a volume. A copy takes from each
/// that it touches and waits for the slowest. Pure: the caller brings the time. One thread.
class move_limits {
public:
  move_limits(move_rates rates, std::int64_t now_ns);

  /// Takes `bytes` and returns how long a copy of them must wait (0: it may begin). What cannot be
  /// known beforehand may be taken afterwards: the next copy waits for it.
  std::chrono::nanoseconds take(double bytes, std::uint64_t volume, std::string_view from,
                                std::string_view to, std::int64_t now_ns);

  /// Buckets kept: those that owe nothing are forgotten now and then.
  std::size_t buckets() const { return hosts_.size() + links_.size() + volumes_.size(); }

private:
  template <class Key>
  using table = std::map<Key, token_bucket>;

  template <class Key>
  std::chrono::nanoseconds take_from(table<Key>& buckets, Key key, std::uint64_t rate, double bytes,
                                     std::int64_t now_ns);

  const move_rates rates_;
  token_bucket cell_;
  table<std::string> hosts_;
  table<std::pair<std::string, std::string>> links_;
  table<std::uint64_t> volumes_;
};

} // namespace foreshift
