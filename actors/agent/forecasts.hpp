// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/forecast_book.hpp"
#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"
#include "core/base/cpu_time.hpp"
#include "core/limits/limits.hpp"

#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace foreshift {

struct forecasts_options {
  forecast_book_options book;
  std::chrono::milliseconds predict_interval{2000};
  std::chrono::milliseconds save_interval{5000};
  std::chrono::milliseconds store_timeout{10'000};
  double cpu_share = 0.25; ///< Of one core, on average over some seconds; more than 0.
  std::function<std::chrono::nanoseconds()> cpu_time = thread_cpu_time;
  std::function<void()> at_start = [] {}; ///< Called on the actor's thread.
};

/// Learns, predicts, and keeps what it learned in the vault, so that a restart loses at most one
/// save interval. Predicting is work: spawn it detached, on a thread whose CPU time it can watch
/// (I8): what is beyond its share makes the next prediction late, and whoever brings accesses wait.
class forecasts_state {
public:
  using interface = forecasts_actor;

  static constexpr const char* name = "forecasts";

  forecasts_state(interface::pointer self, vault_actor vault, uplink_actor uplink,
                  const clock_source& clock, forecasts_options options);

  interface::behavior_type make_behavior();

private:
  using done_promise = caf::typed_response_promise<packet<schema::Done>>;

  caf::result<packet<schema::Done>> learn(const packet<schema::PlaneLog>& log);
  void note(const packet<schema::PlaneStatus>& status);
  void obey(const packet<schema::HostWelcome>& wanted);
  void open(std::vector<std::uint64_t> volumes, std::function<void()> then);
  void predict();
  void foretell();
  caf::result<packet<schema::ForecastState>> take(const packet<schema::ForecastTake>& x);
  caf::result<packet<schema::Done>> carry(const packet<schema::ForecastCarry>& x);
  void save();
  caf::result<packet<schema::Done>> flush();
  void save_all(std::function<void(const caf::error&)> then);
  std::chrono::nanoseconds rest();
  void answer_learned();

  interface::pointer self_;
  const vault_actor vault_;
  const uplink_actor uplink_;
  const clock_source& clock_;
  const forecasts_options options_;
  std::chrono::milliseconds predict_interval_;
  forecast_book book_;
  bool due_ = false; ///< A prediction waits for the CPU to have rested.
  token_bucket cpu_; ///< Nanoseconds of CPU time.
  std::optional<std::chrono::nanoseconds> cpu_charged_;
  std::vector<done_promise> learned_; ///< Answered when the CPU has rested.
};

using forecasts = hosted<forecasts_state>;

} // namespace foreshift
