// SPDX-License-Identifier: Apache-2.0
#include "core/limits/slowdown_pacer.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

constexpr double requests_min = 32; ///< In each tally, before they are compared.
constexpr double keep = 0.9;        ///< Of earlier comparisons' weight, at each one.
constexpr double keep_slower = 0.3; ///< The same after the rate was lowered.
constexpr double growth = 1.08;     ///< Per comparison, once the search is over.
constexpr double burst_s = 0.02;
constexpr std::int64_t forget_ns = 5'000'000'000; ///< Without copies; then the search begins anew.

} // namespace

slowdown_pacer::slowdown_pacer(slowdown_options options, std::int64_t now_ns)
    : options_(options), bucket_(options.rate_start, options.rate_start * burst_s, now_ns),
      last_ns_(now_ns) {
  FORESHIFT_ENSURE(options.tolerated > 0 && options.rate_min > 0);
  FORESHIFT_ENSURE(options.rate_min <= options.rate_start
                   && options.rate_start <= options.rate_max);
  FORESHIFT_ENSURE(options.copying.count() > 0 && options.resting.count() > 0
                   && options.looking.count() > 0);
}

/// Closes the windows that have ended.
void slowdown_pacer::roll(const totals& guests, std::int64_t now_ns) {
  if (!begun_ || now_ns - last_ns_ > forget_ns)
    begin(guests(), now_ns);
  last_ns_ = now_ns;
  if (resting_ && now_ns - window_ns_ >= window_length().count())
    close_resting(guests(), now_ns);
  if (!resting_ && now_ns - window_ns_ >= window_length().count())
    close_copying(guests(), now_ns);
}

bool slowdown_pacer::unlimited(const totals& guests, std::int64_t now_ns) {
  roll(guests, now_ns);
  return idle_;
}

std::chrono::nanoseconds slowdown_pacer::take(double bytes, const totals& guests,
                                              std::int64_t now_ns) {
  roll(guests, now_ns);
  std::chrono::nanoseconds rest{0};
  if (resting_)
    rest = options_.resting - std::chrono::nanoseconds{now_ns - window_ns_};
  if (idle_)
    return rest;
  auto wait = bucket_.take(bytes, now_ns);
  limited_ = limited_ || wait.count() > 0;
  return std::max(wait, rest);
}

std::chrono::nanoseconds slowdown_pacer::window_length() const {
  if (resting_)
    return options_.resting;
  return first_ || idle_ ? options_.looking : options_.copying;
}

void slowdown_pacer::begin(foreground_totals now, std::int64_t now_ns) {
  with_ = without_ = {};
  fewer_ = longer_ = {};
  window_ = now;
  window_ns_ = now_ns;
  resting_ = false;
  searching_ = true;
  idle_ = false; // until a window has shown it
  begun_ = true;
  first_ = true;
  set_rate(options_.rate_start, now_ns);
}

void slowdown_pacer::close_copying(foreground_totals now, std::int64_t now_ns) {
  first_ = false;
  idle_ = now.requests == window_.requests;
  if (idle_) {
    with_ = without_ = {};
  } else {
    with_.add(window_, now, now_ns - window_ns_);
    resting_ = true;
  }
  window_ = now;
  window_ns_ = now_ns;
}

void slowdown_pacer::close_resting(foreground_totals now, std::int64_t now_ns) {
  without_.add(window_, now, now_ns - window_ns_);
  resting_ = false;
  window_ = now;
  window_ns_ = now_ns;
  if (with_.requests >= requests_min && without_.requests >= requests_min)
    judge(now_ns);
}

void slowdown_pacer::judge(std::int64_t now_ns) {
  auto chance = 1 / with_.requests + 1 / without_.requests; // of a Poisson process
  fewer_.add(std::log(without_.per_second() / with_.per_second()), chance);
  longer_.add(std::log(with_.each_ns() / without_.each_ns()), chance);
  with_ = without_ = {};
  auto excess = std::expm1(std::max(fewer_.at_least(), longer_.at_least())) / options_.tolerated;
  if (excess > 1) {
    searching_ = false;
    set_rate(rate() * std::clamp(1 / excess, 0.3, 0.9), now_ns);
    fewer_.weight *= keep_slower;
    longer_.weight *= keep_slower;
  } else if (limited_) {
    set_rate(rate() * (searching_ ? 2 : growth), now_ns);
  }
  limited_ = false;
}

/// Mean and variance of a weighted stream (West 1979), older values fading.
void slowdown_pacer::evidence::add(double value, double noise) {
  weight = keep * weight + 1;
  auto step = value - mean;
  mean += step / weight;
  variance = (1 - 1 / weight) * (variance + step * step / weight);
  chance += (noise - chance) / weight;
}

double slowdown_pacer::evidence::at_least() const {
  return mean - std::sqrt(std::max(variance, chance) / weight);
}

void slowdown_pacer::set_rate(double rate, std::int64_t now_ns) {
  bucket_.set_rate(std::clamp(rate, options_.rate_min, options_.rate_max), now_ns);
}

void slowdown_pacer::tally::add(foreground_totals from, foreground_totals to, std::int64_t span) {
  requests += static_cast<double>(to.requests - from.requests);
  busy_ns += static_cast<double>(std::max<std::int64_t>(to.busy_ns - from.busy_ns, 0));
  span_ns += static_cast<double>(span);
}

} // namespace foreshift
