// SPDX-License-Identifier: Apache-2.0
#include "core/base/clock.hpp"

#include "core/base/cpu_time.hpp"

#include <ctime>

namespace foreshift {

namespace {

std::int64_t read_ns(clockid_t which) {
  timespec now{};
  clock_gettime(which, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

class machine_clock final : public clock_source {
public:
  std::int64_t monotonic_ns() const override { return read_ns(CLOCK_BOOTTIME); }
  std::int64_t wall_ms() const override { return read_ns(CLOCK_REALTIME) / 1'000'000; }
};

} // namespace

std::chrono::nanoseconds thread_cpu_time() {
  return std::chrono::nanoseconds{read_ns(CLOCK_THREAD_CPUTIME_ID)};
}

const clock_source& system_clock() {
  static const machine_clock instance;
  return instance;
}

} // namespace foreshift
