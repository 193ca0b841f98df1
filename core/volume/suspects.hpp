// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace foreshift {

/// A replica that a primary's requests wait for.
struct suspect {
  std::uint64_t volume = 0;
  std::uint64_t epoch = 0;
  std::string host;
  std::int64_t since_ms = 0; ///< Wall time of the first failure.
  fault reason;

  friend bool operator==(const suspect&, const suspect&) = default;
};

/// What all gateways of one host wait for (replicas, leases), and those who want to hear of it. Any
/// thread; answers are called without a lock held.
class suspect_board {
public:
  struct report {
    std::uint64_t serial = 0; ///< Another one at every change, also after a restart.
    std::vector<suspect> suspects;
    std::vector<std::uint64_t> wishes; ///< Volumes whose lease is wished for here.
  };
  using answer = std::function<void(const report&)>;

  explicit suspect_board(const clock_source& clock);

  /// The first reason stays until the replica answers.
  void note(std::uint64_t volume, std::uint64_t epoch, const std::string& host, const fault& why);
  void clear(std::uint64_t volume, const std::string& host);

  /// Somebody waits for the lease of the volume, or one of them does no more.
  void wish(std::uint64_t volume);
  void unwish(std::uint64_t volume);

  report now() const;
  std::vector<std::string> of(std::uint64_t volume) const;

  /// Answers once the serial is not `serial` (any more), or at the first `expire` after `timeout`.
  void wait(std::uint64_t serial, std::chrono::milliseconds timeout, answer reply);

  /// Answers those whose time is over.
  void expire();

private:
  struct waiter {
    std::int64_t until_ns;
    answer reply;
  };
  static constexpr std::size_t waiters_max = 16;

  report snapshot() const; ///< Under the lock.
  void tell(std::vector<waiter> whom, const report& what) const;
  template <class Change>
  void change(Change apply);

  const clock_source& clock_;
  mutable std::mutex mutex_;
  std::uint64_t serial_;
  std::map<std::pair<std::uint64_t, std::string>, suspect> suspects_;
  std::map<std::uint64_t, std::uint32_t> wishes_; ///< How many wait, by volume.
  std::vector<waiter> waiters_;
};

} // namespace foreshift
