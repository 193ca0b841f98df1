// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_system.hpp"

#include "actors/base/caf_compat.hpp"

#include <random>
#include <utility>

namespace foreshift::test {

test_config::test_config() {
  compat::set_scheduler(*this, "testing");
  set("logger.console", caf::atom("none"));
  set("logger.file-verbosity", caf::atom("quiet"));
}

test_system::test_system()
    : system(config_),
      scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())),
      self(system, true) {
  // Some CAF code treats time zero as "unset".
  scheduler.clock().current_time += std::chrono::hours{1};
}

test_system::~test_system() {
  // Pending timers keep their actors alive, and a periodic timer would make the coordinator's own
  // shutdown loop run for ever.
  scheduler.clock().cancel_all();
  for (auto& whom : std::exchange(adopted_, {}))
    caf::anon_send_exit(whom, caf::exit_reason::kill);
  for (std::size_t steps = 0; scheduler.has_job() && steps < 10'000; ++steps)
    scheduler.run_once();
}

std::size_t test_system::settle(std::size_t steps_max) {
  auto steps = scheduler.run(steps_max);
  REQUIRE_MESSAGE(!scheduler.has_job(), "still busy after the step limit");
  return steps;
}

std::size_t test_system::settle_shuffled(std::uint64_t seed, std::size_t steps_max) {
  std::mt19937_64 random{seed};
  auto& jobs = scheduler.jobs;
  std::size_t steps = 0;
  while (!jobs.empty() && steps < steps_max) {
    std::swap(jobs.front(), jobs[random() % jobs.size()]);
    scheduler.run_once();
    ++steps;
  }
  REQUIRE_MESSAGE(jobs.empty(), "still busy after the step limit");
  return steps;
}

void test_system::advance(std::chrono::milliseconds step) {
  scheduler.advance_time(step);
  settle();
}

} // namespace foreshift::test
