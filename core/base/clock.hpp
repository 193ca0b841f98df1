// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace foreshift {

/// The only source of time for core and actors; injected, so that a test owns time.
class clock_source {
public:
  virtual ~clock_source() = default;

  /// Nanoseconds of a clock that never goes back and counts suspended time (CLOCK_BOOTTIME).
  virtual std::int64_t monotonic_ns() const = 0;

  /// Milliseconds since the Unix epoch; for display and time-of-day only, never for ordering.
  virtual std::int64_t wall_ms() const = 0;
};

/// The machine's clocks. Stateless; any thread.
const clock_source& system_clock();

/// A clock that moves only when told to. Any thread.
class manual_clock final : public clock_source {
public:
  explicit manual_clock(std::int64_t wall_ms = 1'700'000'000'000) : wall_start_ms_(wall_ms) {}

  std::int64_t monotonic_ns() const override { return now_ns_.load(); }
  std::int64_t wall_ms() const override { return wall_start_ms_ + now_ns_.load() / 1'000'000; }

  void advance(std::chrono::nanoseconds by) { now_ns_ += by.count(); }

private:
  std::int64_t wall_start_ms_;
  std::atomic<std::int64_t> now_ns_{1};
};

} // namespace foreshift
