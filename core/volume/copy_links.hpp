// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/volume/nbd_handle.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace foreshift {

/// Connections to peers' copy exports, kept for the next pull and closed when idle. Any thread.
class copy_links {
public:
  copy_links(nbd_link_options options, const clock_source& clock)
      : options_(std::move(options)), clock_(clock) {}

  const nbd_link_options& options() const { return options_; }

  /// An idle connection that still lives, or a new one.
  result<nbd_connection> take(const std::string& address, std::uint64_t volume);

  /// Only with nothing in flight.
  void give_back(const std::string& address, std::uint64_t volume, nbd_connection link);

  /// Closes what nobody has used for a while.
  void expire();

private:
  static constexpr std::size_t kept_max = 4; ///< A peer and volume.
  static constexpr std::chrono::seconds kept_for{10};

  struct idle {
    nbd_connection link;
    std::int64_t since_ns;
  };

  const nbd_link_options options_;
  const clock_source& clock_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::uint64_t>, std::vector<idle>> idle_;
};

} // namespace foreshift
