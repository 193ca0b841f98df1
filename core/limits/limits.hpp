// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace foreshift {

/// Token bucket over bytes (or any unit). Pure: the caller brings the time. One thread.
/// A time before the last one seen counts as no time passed.
class token_bucket {
public:
  /// `rate` units a second (0: unlimited), saving up at most `burst`. Starts full.
  token_bucket(double rate, double burst, std::int64_t now_ns);

  /// What was saved or owed so far stays; a debt is then paid off at the new rate. Unlimited
  /// forgives it.
  void set_rate(double rate, std::int64_t now_ns);
  double rate() const { return rate_; }

  /// Takes `amount` and returns how long the caller must wait before using it (0: at once). May go
  /// into debt, so that a unit larger than the burst still passes. At most a day.
  std::chrono::nanoseconds take(double amount, std::int64_t now_ns);

private:
  void refill(std::int64_t now_ns);

  double rate_;
  double burst_;
  double tokens_;
  std::int64_t last_ns_;
};

struct aimd_options {
  double rate_max = 64.0 * 1024 * 1024; ///< Bytes per second when foreground is at ease.
  double rate_min = 1.0 * 1024 * 1024;
  double increase = 4.0 * 1024 * 1024; ///< Added per calm sample.
  double decrease = 0.5;               ///< Factor on a sample above the limit.
  double latency_factor =
      2.0; ///< Foreground latency above so many times its quiet baseline backs off.
};

/// Additive increase, multiplicative decrease of background bandwidth by foreground latency (Chiu
/// and Jain 1989). The baseline is a slow average of latencies seen while no background work ran,
/// and of lower ones seen while it did. Until a quiet sample comes, the lowest latency seen stands
/// in for it. Starts at `rate_max`. One thread.
class aimd {
public:
  /// Needs 0 < rate_min <= rate_max, increase >= 0, 0 < decrease < 1, latency_factor >= 1.
  explicit aimd(aimd_options options);

  /// One sample of the foreground's latency (0: no foreground I/O) while background work ran or
  /// not. Returns the rate to use until the next sample.
  double sample(double foreground_p99_us, bool background_active);

  double rate() const { return rate_; }

private:
  void learn(double foreground_p99_us, bool background_active);

  aimd_options options_;
  double rate_;
  double baseline_us_ = 0;
  bool baseline_is_quiet_ = false;
};

} // namespace foreshift
