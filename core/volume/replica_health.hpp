// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/route_view.hpp"
#include "core/volume/suspects.hpp"

namespace foreshift {

/// Whether a fault says that the replica itself has failed, rather than the request or the lease.
inline bool replica_failed(const fault& why) {
  return why.code == errc::unreachable || why.code == errc::timeout || why.code == errc::storage;
}

/// Puts what one volume's requests learn about replicas on the board. Any thread; a replica that
/// answers as ever costs one load.
class replica_health {
public:
  replica_health(suspect_board* board, std::uint64_t volume) : board_(board), volume_(volume) {}

  void note(std::uint64_t epoch, const host_route& route, const result<void>& done) const {
    if (board_ == nullptr)
      return;
    if (!done && replica_failed(done.error())) {
      route.mark->suspected.store(true);
      board_->note(volume_, epoch, route.host, done.error());
    } else if (route.mark->suspected.load(std::memory_order_relaxed)
               && route.mark->suspected.exchange(false)) {
      board_->clear(volume_, route.host);
    }
  }

  /// Suspicions of hosts that this view has nothing to do with end.
  void keep(const route_view& view) const;

private:
  suspect_board* board_;
  std::uint64_t volume_;
};

} // namespace foreshift
