// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/volume/peer_link.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>

namespace foreshift {

class suspect_board;

/// Clients at an announced destination of a volume that opted in to the implicit flip: until the
/// lease is here the primary reads for them, and their first write wishes for the lease. Any
/// thread.
class early_clients {
public:
  /// `board` may be null: then nobody hears of a wish.
  early_clients(suspect_board* board, std::uint64_t volume, const clock_source& clock)
      : board_(board), volume_(volume), clock_(clock) {}

  /// They are expected until then; `primary` reads for them. Null: they are not.
  void expect(std::int64_t until_ns, std::shared_ptr<peer_link> primary);

  /// Who reads for them; null when none are expected.
  std::shared_ptr<peer_link> primary() const;

  /// A write that waits for the lease.
  class wish {
  public:
    explicit wish(early_clients& owner);
    ~wish();
    wish(const wish&) = delete;
    wish& operator=(const wish&) = delete;

  private:
    early_clients& owner_;
  };

  /// The lease is here; returns how long the first write has waited for it, microseconds.
  std::uint64_t arrived();

private:
  suspect_board* const board_;
  const std::uint64_t volume_;
  const clock_source& clock_;
  mutable std::mutex mutex_;
  std::int64_t until_ns_ = std::numeric_limits<std::int64_t>::min();
  std::shared_ptr<peer_link> primary_;
  std::uint32_t wishing_ = 0;
  std::int64_t since_ns_ = 0; ///< When the first of them began to wait.
};

/// What a gateway's clients are doing: requests under way, and when the last one began. A request
/// is counted before it looks at the lease, so whoever changes the lease and then finds nothing
/// running has nobody who still goes by the former one.
class client_activity {
public:
  class request {
  public:
    request(client_activity& owner, std::int64_t began_ns) : owner_(owner) {
      owner_.running_.fetch_add(1);
      owner_.began_ns_.store(began_ns, std::memory_order_relaxed);
    }
    ~request() { owner_.running_.fetch_sub(1); }
    request(const request&) = delete;
    request& operator=(const request&) = delete;

  private:
    client_activity& owner_;
  };

  bool idle() const { return running_.load() == 0; }
  /// Idle, and nothing was asked for at or after `since_ns`.
  bool quiet(std::int64_t since_ns) const { return idle() && began_ns_.load() < since_ns; }

private:
  std::atomic<std::uint32_t> running_{0};
  std::atomic<std::int64_t> began_ns_{std::numeric_limits<std::int64_t>::min()};
};

} // namespace foreshift
