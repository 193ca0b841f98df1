// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_policy.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace foreshift {

plane_step plane_policy::next(std::int64_t now_ns) const {
  switch (state_) {
  case state::unknown:
    return now_ns < not_before_ns_ ? plane_step::wait : plane_step::probe;
  case state::absent:
    return plane_step::start;
  case state::running:
    return plane_step::watch;
  case state::stopped:
    break;
  }
  return plane_step::rest;
}

void plane_policy::found(std::uint32_t pid, std::int64_t now_ns) {
  if (state_ == state::stopped)
    return;
  FORESHIFT_ENSURE(state_ == state::unknown);
  state_ = state::running;
  pid_ = pid;
  adopted_ = true;
  ever_ran_ = true;
  since_ns_ = now_ns;
}

void plane_policy::absent() {
  if (state_ == state::unknown)
    state_ = state::absent;
}

void plane_policy::started(std::uint32_t pid, std::int64_t now_ns) {
  FORESHIFT_ENSURE(state_ == state::absent);
  state_ = state::running;
  pid_ = pid;
  adopted_ = false;
  restarts_ += ever_ran_ ? 1 : 0;
  ever_ran_ = true;
  since_ns_ = now_ns;
}

void plane_policy::start_failed(std::int64_t now_ns) {
  FORESHIFT_ENSURE(state_ == state::absent);
  back_off(now_ns);
}

void plane_policy::died(std::int64_t now_ns) {
  if (state_ != state::running)
    return;
  if (std::chrono::nanoseconds{now_ns - since_ns_} >= options_.settled)
    backoff_ = std::chrono::nanoseconds{0};
  back_off(now_ns);
}

void plane_policy::back_off(std::int64_t now_ns) {
  backoff_ = std::clamp<std::chrono::nanoseconds>(backoff_ * 2, options_.backoff_min,
                                                  options_.backoff_max);
  not_before_ns_ = now_ns + backoff_.count();
  // Back to the probe: another agent's child may have appeared meanwhile.
  state_ = state::unknown;
}

} // namespace foreshift
