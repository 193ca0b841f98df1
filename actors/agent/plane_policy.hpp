// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace foreshift {

/// What the supervisor of the data plane should do next.
enum class plane_step {
  probe, ///< Find out whether a data plane already runs; then tell `found` or `absent`.
  start, ///< Start one; then tell `started` or `start_failed`.
  watch, ///< One runs: look whether it still lives; tell `died` if not.
  wait,  ///< Nothing before the back-off has passed.
  rest,  ///< Asked to stop; nothing any more.
};

struct plane_policy_options {
  std::chrono::milliseconds backoff_min{100};
  std::chrono::milliseconds backoff_max{10'000};
  std::chrono::milliseconds settled{10'000}; ///< A life this long resets the back-off.
};

/// Decides when to start, adopt or leave alone the one data plane of a host. Pure: the caller
/// brings events and the time (monotonic nanoseconds). Every start is preceded by a probe that
/// found nothing, so that there are never two. One thread.
class plane_policy {
public:
  explicit plane_policy(plane_policy_options options = {}) : options_(options) {}

  plane_step next(std::int64_t now_ns) const;

  /// A probe met a running data plane: it is adopted.
  void found(std::uint32_t pid, std::int64_t now_ns);
  /// A probe met none.
  void absent();
  void started(std::uint32_t pid, std::int64_t now_ns);
  void start_failed(std::int64_t now_ns);
  void died(std::int64_t now_ns);
  void stop() { state_ = state::stopped; }

  std::uint32_t pid() const { return state_ == state::running ? pid_ : 0; }
  bool adopted() const { return adopted_; }
  std::uint32_t restarts() const { return restarts_; }
  std::chrono::nanoseconds backoff() const { return backoff_; }

private:
  enum class state { unknown, absent, running, stopped };

  void back_off(std::int64_t now_ns);

  plane_policy_options options_;
  state state_ = state::unknown;
  std::uint32_t pid_ = 0;
  bool adopted_ = false;
  bool ever_ran_ = false;
  std::uint32_t restarts_ = 0;
  std::int64_t since_ns_ = 0;
  std::int64_t not_before_ns_ = 0;
  std::chrono::nanoseconds backoff_{0};
};

} // namespace foreshift
