// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/kernel.hpp"

#include "tests/sim/kernel_state.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace foreshift::sim {

namespace {

constexpr std::size_t stack_bytes = 512u << 10;
constexpr std::int64_t turn_cost_ns = 300; ///< Virtual time of a turn, so that spinning ends.

kernel_state* state = nullptr;
thread_local sim_thread* own = nullptr;

long futex(std::atomic<std::uint32_t>* at, int what, std::uint32_t value) {
  return libc().syscall(SYS_futex, at, what | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

void wait_for_turn(sim_thread& me) {
  while (me.baton.load(std::memory_order_acquire) == 0)
    futex(&me.baton, FUTEX_WAIT, 0);
  me.baton.store(0, std::memory_order_relaxed);
}

void mix(std::uint64_t x) {
  for (int i = 0; i < 8; ++i) {
    state->hash = (state->hash ^ (x & 0xff)) * 1099511628211ull;
    x >>= 8;
  }
}

void make_ready(sim_thread& x, bool woken) {
  if (x.state != status::blocked)
    return;
  x.state = status::ready;
  x.woken = woken;
  x.waits_on = nullptr;
  std::erase(state->blocked, &x);
  state->ready.push_back(&x);
}

/// Timers that are due; `advance`: goes to the next one. False when there is none at all.
bool run_timers(bool advance) {
  auto& timers = state->timers;
  if (advance) {
    if (timers.empty())
      return false;
    state->now_ns = std::max(state->now_ns, timers.top().at_ns);
  }
  while (!timers.empty() && timers.top().at_ns <= state->now_ns) {
    auto next = timers.top();
    timers.pop();
    if (next.thread != nullptr) {
      if (next.thread->wait_number == next.wait_number && next.thread->home->alive)
        make_ready(*next.thread, false);
      continue;
    }
    auto node = state->events.extract(next.number);
    node.mapped()();
  }
  return true;
}

bool may_run(const sim_thread* x) {
  return x->home->alive && !x->home->frozen;
}

sim_thread* pick() {
  state->scheduling = true;
  static std::vector<sim_thread*> candidates;
  for (;;) {
    run_timers(false);
    candidates.clear();
    for (auto* x : state->ready)
      if (may_run(x))
        candidates.push_back(x);
    if (!candidates.empty())
      break;
    if (!run_timers(true))
      kernel::finish(3, "deadlock: nobody can run and nothing will happen");
  }
  auto* chosen = candidates[kernel::random(candidates.size())];
  std::erase(state->ready, chosen);
  state->now_ns += turn_cost_ns;
  state->scheduling = false;
  return chosen;
}

/// Who runs next may be the same thread, or the same real thread with other work.
void pass_turn(sim_thread& me) {
  auto* next = pick();
  ++state->switches;
  mix(next->id);
  state->running = next;
  next->baton.store(1, std::memory_order_release);
  if (next != &me)
    futex(&next->baton, FUTEX_WAKE, 1);
}

/// Gives the turn away and returns when it comes back.
void hand_over(sim_thread& me) {
  pass_turn(me);
  wait_for_turn(me);
}

void set_timer(std::int64_t at_ns, sim_thread* thread, std::uint64_t wait_number) {
  state->timers.push({at_ns, ++state->numbers, thread, wait_number});
}

/// A real thread's life: one simulated thread after the other.
void* serve(void* argument) {
  auto* me = static_cast<sim_thread*>(argument);
  own = me;
  for (;;) {
    wait_for_turn(*me);
    me->body();
    me->body = nullptr;
    me->state = status::ended;
    kernel::wake(&me->result);
    if (me->detached)
      state->idle.push_back(me);
    pass_turn(*me);
  }
}

sim_thread* make_thread(process* home) {
  sim_thread* x = nullptr;
  if (!state->idle.empty()) {
    x = state->idle.back();
    state->idle.pop_back();
    x->detached = false;
    x->result = nullptr;
    x->held.clear();
  } else {
    x = new sim_thread;
    x->id = static_cast<std::uint32_t>(state->threads.size() + 1);
    state->threads.push_back(x);
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setstacksize(&how, stack_bytes);
    if (libc().pthread_create(&x->real, &how, serve, x) != 0)
      kernel::finish(3, "no more threads");
    pthread_attr_destroy(&how);
    state->by_real[x->real] = x;
  }
  x->home = home;
  x->state = status::ready;
  state->ready.push_back(x);
  return x;
}

} // namespace

namespace kernel {

void start(const kernel_options& options) {
  state = new kernel_state;
  state->options = options;
  // Mixed, or neighbouring seeds would draw the same numbers, one place shifted.
  state->random = options.seed * 0xbf58476d1ce4e5b9ull;
  state->random ^= state->random >> 31;
  state->random *= 0xd6e8feb86659fd93ull;
  state->random ^= state->random >> 32;
  auto* world = make_process("world", "");
  auto* first = new sim_thread;
  first->id = 1;
  first->home = world;
  first->real = pthread_self();
  state->threads.push_back(first);
  state->by_real[first->real] = first;
  state->running = own = first;
  state->active = true;
}

bool active() {
  return state != nullptr && state->active;
}

void finish(int code, const std::string& why) {
  if (!why.empty()) {
    char line[4096];
    auto n = std::snprintf(line, sizeof line, "seed %llu: %s (at %.6f s)\n",
                           static_cast<unsigned long long>(state->options.seed), why.c_str(),
                           double(state->now_ns) / 1e9);
    [[maybe_unused]] auto put =
        ::write(1, line, static_cast<std::size_t>(std::min<int>(n, sizeof line - 1)));
  }
  std::fflush(stdout);
  ::_exit(code);
}

std::int64_t now_ns() {
  return state->now_ns;
}

std::uint64_t random(std::uint64_t bound) {
  auto x = state->random += 0x9e3779b97f4a7c15ull; // splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  x ^= x >> 31;
  return x % bound;
}

bool chance(double probability) {
  return double(random(1u << 30)) < probability * double(1u << 30);
}

void set_preemption(double probability) {
  state->preemption = probability;
}

double preemption() {
  return state->preemption;
}

process* make_process(std::string name, std::string host) {
  auto* x = new process{std::move(name), std::move(host)};
  state->processes.push_back(x);
  return x;
}

process* current() {
  return state->running->home;
}

void kill(process* victim) {
  victim->alive = false;
  trace("kill " + victim->name);
  // What is shared by all processes here (a library's globals) must not stay locked by the dead.
  for (auto* x : state->threads)
    if (x->home == victim)
      for (auto* lock : std::exchange(x->held, {})) {
        auto* mutex = static_cast<pthread_mutex_t*>(lock);
        mutex->__data.__lock = 0;
        mutex->__data.__owner = 0;
        wake(lock);
      }
}

void freeze(process* which, bool stopped) {
  which->frozen = stopped;
  trace((stopped ? "stop " : "continue ") + which->name);
}

void spawn(process* owner, std::function<void()> body) {
  auto* x = make_thread(owner);
  x->body = std::move(body);
  x->detached = true;
}

bool block(const void* on, std::int64_t until_ns) {
  auto& me = *state->running;
  if (state->scheduling)
    finish(3, "an event of the simulation tried to block");
  me.state = status::blocked;
  me.waits_on = on;
  me.woken = false;
  ++me.wait_number;
  state->blocked.push_back(&me);
  if (until_ns != never_ns)
    set_timer(std::max(until_ns, state->now_ns), &me, me.wait_number);
  hand_over(me);
  ++me.wait_number;
  return me.woken;
}

std::size_t wake(const void* on, std::size_t count) {
  std::vector<sim_thread*> waiters;
  for (auto* x : state->blocked)
    if (x->waits_on == on && x->home->alive)
      waiters.push_back(x);
  std::size_t done = 0;
  while (!waiters.empty() && done < count) {
    auto at = waiters.size() == 1 ? 0 : random(waiters.size());
    make_ready(*waiters[at], true);
    waiters.erase(waiters.begin() + static_cast<std::ptrdiff_t>(at));
    ++done;
  }
  return done;
}

void sleep(std::int64_t span_ns) {
  int nobody = 0;
  block(&nobody, state->now_ns + std::max<std::int64_t>(span_ns, 0));
}

void yield() {
  auto& me = *state->running;
  if (state->scheduling)
    return;
  me.state = status::ready;
  state->ready.push_back(&me);
  hand_over(me);
}

void maybe_yield() {
  if (!state->scheduling && state->preemption > 0 && chance(state->preemption))
    yield();
}

void after(std::int64_t span_ns, std::function<void()> event) {
  set_timer(state->now_ns + span_ns, nullptr, 0);
  state->events[state->numbers] = std::move(event);
}

void trace(std::string_view what) {
  for (unsigned char c : what)
    state->hash = (state->hash ^ c) * 1099511628211ull;
  mix(static_cast<std::uint64_t>(state->now_ns));
  if (state->options.verbose)
    std::printf("%12.6f %-12s %.*s\n", double(state->now_ns) / 1e9,
                state->running->home->name.c_str(), static_cast<int>(what.size()), what.data());
}

std::uint64_t trace_hash() {
  return state->hash;
}

std::uint64_t switches() {
  return state->switches;
}

bool verbose() {
  return state->options.verbose;
}

sim_thread* self() {
  return state->running;
}

std::uint32_t id_of(const sim_thread* thread) {
  return thread->id;
}

int create(pthread_t* out, void* (*entry)(void*), void* argument) {
  auto* x = make_thread(current());
  x->body = [x, entry, argument] { x->result = entry(argument); };
  *out = x->real;
  maybe_yield();
  return 0;
}

int join(pthread_t which, void** result) {
  auto* x = state->by_real.at(which);
  while (x->state != status::ended)
    block(&x->result);
  if (result != nullptr)
    *result = x->result;
  state->idle.push_back(x);
  return 0;
}

int detach(pthread_t which) {
  auto* x = state->by_real.at(which);
  x->detached = true;
  if (x->state == status::ended)
    state->idle.push_back(x);
  return 0;
}

void note_held(void* lock) {
  state->running->held.push_back(lock);
}

void note_released(void* lock) {
  auto& held = state->running->held;
  auto at = std::find(held.rbegin(), held.rend(), lock);
  if (at != held.rend())
    held.erase(std::next(at).base());
}

} // namespace kernel

} // namespace foreshift::sim
