// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/limits/limits.hpp"

#include <chrono>
#include <cstdint>

namespace foreshift {

struct move_pace_options {
  double rate_bytes_max = 64.0 * 1024 * 1024;
  double rate_bytes_min = 1.0 * 1024 * 1024;
  double latency_factor = 2.0;
};

/// The bandwidth that all moves towards this host share: a token bucket whose rate follows the
/// guests' latency. Pure; monotonic time comes from the caller. One thread.
class move_pace {
public:
  move_pace(move_pace_options options, std::int64_t now_ns);

  /// One measurement of the guests' p99 (0: no guest I/O), while moves ran or not.
  void sample(double foreground_p99_us, bool moving, std::int64_t now_ns);

  /// The coordinator's limit; 0: none beside the host's own.
  void allow(std::uint64_t rate_bytes, std::int64_t now_ns);

  /// Accounts for bytes just copied; the next copy must wait so long.
  std::chrono::nanoseconds charge(std::uint64_t bytes, std::int64_t now_ns);

  /// Bytes per second now.
  double rate() const { return bucket_.rate(); }

private:
  void apply(std::int64_t now_ns);

  aimd backoff_;
  double allowed_ = 0;
  token_bucket bucket_;
};

} // namespace foreshift
