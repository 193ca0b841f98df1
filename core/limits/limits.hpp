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

  /// Whether nothing is owed and as much is saved up as may be.
  bool full(std::int64_t now_ns);

private:
  void refill(std::int64_t now_ns);

  double rate_;
  double burst_;
  double tokens_;
  std::int64_t last_ns_;
};

} // namespace foreshift
