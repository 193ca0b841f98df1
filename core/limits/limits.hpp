// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace foreshift {

/// Token bucket over bytes (or any unit). Pure: the caller brings the time. One thread.
class token_bucket {
public:
  /// `rate` units a second (0: unlimited), saving up at most `burst`.
  token_bucket(double rate, double burst, std::int64_t now_ns);

  void set_rate(double rate, std::int64_t now_ns);
  double rate() const { return rate_; }

  /// Takes `amount` and returns how long the caller must wait before using it (0: at once). May go into
  /// debt, so that a unit larger than the burst still passes.
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
  double increase = 4.0 * 1024 * 1024;  ///< Added per calm sample.
  double decrease = 0.5;                ///< Factor on a sample above the limit.
  double latency_factor = 2.0;          ///< Foreground latency above so many times its quiet baseline backs off.
};

/// Additive increase, multiplicative decrease of background bandwidth by foreground latency (Chiu and
/// Jain 1989). The baseline is a slow average of latencies seen while no background work ran.
class aimd {
public:
  explicit aimd(aimd_options options);

  /// One sample of the foreground's latency (0: no foreground I/O) while background work ran or not.
  /// Returns the rate to use until the next sample.
  double sample(double foreground_p99_us, bool background_active);

  double rate() const { return rate_; }

private:
  aimd_options options_;
  double rate_;
  double baseline_us_ = 0;
};

} // namespace foreshift
