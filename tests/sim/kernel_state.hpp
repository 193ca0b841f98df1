// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/sim/threads.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <utility>
#include <vector>

namespace foreshift::sim {

enum class status { ready, blocked, ended };

/// A thread of the simulated world on a real one, which sleeps on `baton` unless it has its turn.
struct sim_thread {
  std::uint32_t id = 0;
  process* home = nullptr;
  status state = status::ready;
  const void* waits_on = nullptr;
  std::int64_t until_ns = never_ns;
  std::uint64_t wait_number = 0; ///< Tells this wait's timer from an older one's.
  bool woken = false;
  std::atomic<std::uint32_t> baton{0};
  std::function<void()> body;
  void* result = nullptr;
  bool detached = false;
  pthread_t real{};
  std::vector<void*> held;
};

struct timer {
  std::int64_t at_ns;
  std::uint64_t number;
  sim_thread* thread; ///< Null: an event.
  std::uint64_t wait_number;
  bool operator>(const timer& x) const {
    return std::pair{at_ns, number} > std::pair{x.at_ns, x.number};
  }
};

struct kernel_state {
  bool active = false;
  bool scheduling = false;
  kernel_options options;
  std::uint64_t random = 0;
  double preemption = 0.05;
  std::int64_t now_ns = second;
  std::uint64_t numbers = 0;
  std::uint64_t switches = 0;
  std::uint64_t hash = 14695981039346656037ull;
  std::vector<process*> processes;
  std::vector<sim_thread*> threads;
  std::vector<sim_thread*> ready;
  std::vector<sim_thread*> blocked;
  std::vector<sim_thread*> idle; ///< Real threads without work.
  std::map<pthread_t, sim_thread*> by_real;
  std::priority_queue<timer, std::vector<timer>, std::greater<>> timers;
  std::map<std::uint64_t, std::function<void()>> events; ///< By the timer's number.
  sim_thread* running = nullptr;
};

} // namespace foreshift::sim
