// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

/// The simulation's operating system: threads of which exactly one runs at a time, virtual time,
/// and processes that can be killed or stopped. Product code runs unmodified on it, because
/// interpose.cpp maps the C library's threads, locks, clocks and sleeps to it. Which thread goes on
/// at every point where threads can switch is drawn from the seed, so one seed is one run.
namespace foreshift::sim {

/// Something that is killed and stopped as a whole. Never freed: its threads refer to it.
struct process {
  std::string name;
  std::string host;
  bool alive = true;
  bool frozen = false; ///< SIGSTOP: its threads get no turn.
};

inline constexpr std::int64_t never_ns = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t us = 1'000;
inline constexpr std::int64_t ms = 1'000'000;
inline constexpr std::int64_t second = 1'000'000'000;

struct kernel_options {
  std::uint64_t seed = 1;
  bool verbose = false; ///< Prints the trace; does not change it.
};

namespace kernel {

/// The calling thread becomes the first one, of a process "world" that is never killed.
void start(const kernel_options& options);
bool active();

/// Ends the run at once: prints why, with the seed, and exits with `code`.
[[noreturn]] void finish(int code, const std::string& why);

std::int64_t now_ns();

/// Uniform below `bound` (which must not be 0); the run's one source of chance.
std::uint64_t random(std::uint64_t bound);
bool chance(double probability);
/// The same, without drawing anything where the answer is no for sure.
inline bool chance_or_no(double probability) {
  return probability > 0 && chance(probability);
}
/// How eagerly threads are switched at points where they need not be: 0 to 1.
void set_preemption(double probability);
double preemption();
/// As long as it lives, threads are switched only where they must be.
class undisturbed {
public:
  undisturbed() : former_(preemption()) { set_preemption(0); }
  undisturbed(const undisturbed&) = delete;
  undisturbed& operator=(const undisturbed&) = delete;
  ~undisturbed() { set_preemption(former_); }

private:
  const double former_;
};

process* make_process(std::string name, std::string host);
process* current();
/// Its threads never run again. Nothing of it is unwound or freed: kill -9.
void kill(process* victim);
void freeze(process* which, bool stopped);

/// A thread of `owner` that runs `body`.
void spawn(process* owner, std::function<void()> body);

/// Waits until `wake(on)` or the time; false when the time came first.
bool block(const void* on, std::int64_t until_ns = never_ns);
/// Lets up to `count` waiters of `on`, chosen by chance, go on; says how many.
std::size_t wake(const void* on, std::size_t count = std::numeric_limits<std::size_t>::max());
void sleep(std::int64_t span_ns);
/// Others may run now.
void yield();
/// The same with the probability of `set_preemption`.
void maybe_yield();

/// Runs `event` after a time, on nobody's thread: it must not block.
void after(std::int64_t span_ns, std::function<void()> event);

/// One event of the run: goes into the trace's hash, and to the terminal when that is wanted.
void trace(std::string_view what);
std::uint64_t trace_hash();
std::uint64_t switches();
bool verbose();

} // namespace kernel

} // namespace foreshift::sim
