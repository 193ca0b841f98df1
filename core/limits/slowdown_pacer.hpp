// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/limits/limits.hpp"

#include <chrono>
#include <cstdint>
#include <functional>

namespace foreshift {

/// What guests' requests came to since start.
struct foreground_totals {
  std::uint64_t requests = 0;
  std::int64_t busy_ns = 0; ///< Sum of the requests' times.
};

struct slowdown_options {
  double tolerated = 0.10;               ///< Guests may be this share slower while copies run.
  double rate_min = 4.0 * 1024 * 1024;   ///< Bytes per second that copies always keep.
  double rate_start = 8.0 * 1024 * 1024; ///< Where the search begins while guests are active.
  double rate_max = 16.0 * 1024 * 1024 * 1024;
  std::chrono::milliseconds copying{400}; ///< So long copies run,
  std::chrono::milliseconds resting{100}; ///< so long they rest, to see guests without them.
  std::chrono::milliseconds looking{50};  ///< So often, while no guest is known to be active.
};

/// How fast background copies may go so that guests hardly notice: copies rest for a moment every
/// half second, and what guests achieve with and without them is compared, as requests a second and
/// as time a request, whichever is worse beyond its standard error. The rate doubles until guests
/// are slower than tolerated, then shrinks in proportion to the excess and grows slowly (slow start
/// and AIMD as in Jacobson 1988, with slowdown in place of loss). Guests that do nothing limit
/// nothing. Pure: the caller brings time and totals. One thread.
class slowdown_pacer {
public:
  using totals = std::function<foreground_totals()>;

  slowdown_pacer(slowdown_options options, std::int64_t now_ns);

  /// Before `bytes` are copied: how long to wait first. `guests` is asked only where a window of
  /// copying or resting ends.
  std::chrono::nanoseconds take(double bytes, const totals& guests, std::int64_t now_ns);

  /// Whether nothing limits copies just now. Who waits should ask now and then: that guests do
  /// nothing shows only after a moment.
  bool unlimited(const totals& guests, std::int64_t now_ns);

  /// Bytes per second while copies run and guests are active.
  double rate() const { return bucket_.rate(); }

  /// Whether copies rest just now.
  bool resting() const { return resting_; }

private:
  /// What guests achieved while copies ran, or while they rested, since they were last compared.
  struct tally {
    double requests = 0, busy_ns = 0, span_ns = 0;
    void add(foreground_totals from, foreground_totals to, std::int64_t span_ns);
    double per_second() const { return requests / span_ns; }
    double each_ns() const { return busy_ns / requests; }
  };

  /// How much worse guests are while copies run (a logarithm), by comparison after comparison.
  struct evidence {
    double weight = 0, mean = 0, variance = 0, chance = 0;
    /// `noise`: the variance that chance alone gives the value.
    void add(double value, double noise);
    /// What is left of it after one standard error: guests have bursts and phases of their own.
    double at_least() const;
  };

  std::chrono::nanoseconds window_length() const;
  void roll(const totals& guests, std::int64_t now_ns);
  void begin(foreground_totals now, std::int64_t now_ns);
  void close_copying(foreground_totals now, std::int64_t now_ns);
  void close_resting(foreground_totals now, std::int64_t now_ns);
  void judge(std::int64_t now_ns);
  void set_rate(double rate, std::int64_t now_ns);

  const slowdown_options options_;
  token_bucket bucket_;
  tally with_, without_;
  evidence fewer_;  ///< Requests a second.
  evidence longer_; ///< Time a request.
  foreground_totals window_{};
  std::int64_t window_ns_ = 0;
  std::int64_t last_ns_ = 0;
  bool begun_ = false;
  bool first_ = true; ///< The window in which it shows whether guests are active.
  bool resting_ = false;
  bool idle_ = true;      ///< Guests did nothing in the last window.
  bool searching_ = true; ///< The rate has not been too high yet.
  bool limited_ = false;  ///< The rate made a copy wait since it was last judged.
};

} // namespace foreshift
