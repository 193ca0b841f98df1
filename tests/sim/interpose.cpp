// SPDX-License-Identifier: Apache-2.0
// The C library's threads, locks, clocks and sleeps, carried out by the simulation's kernel. These
// definitions come before the library's in the order of symbol look-up, so that product code, CAF,
// RocksDB and libstdc++ all use them. Before the kernel is started they are the ordinary ones, or
// locks that nobody else contends for.
#include "tests/sim/threads.hpp"

#include <dlfcn.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstring>

using namespace foreshift::sim;

namespace foreshift::sim {

namespace {

template <class F>
void find(F& out, const char* name) {
  out = reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

} // namespace

const libc_calls& libc() {
  static libc_calls calls;
  static bool found = [] {
    find(calls.pthread_create, "pthread_create");
    find(calls.pthread_join, "pthread_join");
    find(calls.pthread_detach, "pthread_detach");
    find(calls.clock_gettime, "clock_gettime");
    find(calls.syscall, "syscall");
    return true;
  }();
  (void)found;
  return calls;
}

namespace {

/// In a condition variable's memory, where the library keeps its own flags.
constexpr unsigned monotonic_flag = 2;

std::uint32_t my_id() {
  return kernel::active() ? kernel::id_of(kernel::self()) : 1;
}

bool recursive(const pthread_mutex_t* m) {
  return (m->__data.__kind & 3) == PTHREAD_MUTEX_RECURSIVE;
}

void take(pthread_mutex_t* m) {
  m->__data.__lock = 1;
  m->__data.__owner = static_cast<int>(my_id());
  m->__data.__count = 1;
  if (kernel::active())
    kernel::note_held(m);
}

bool relock(pthread_mutex_t* m) {
  if (m->__data.__lock == 0 || !recursive(m) || m->__data.__owner != static_cast<int>(my_id()))
    return false;
  ++m->__data.__count;
  return true;
}

int lock(pthread_mutex_t* m) {
  if (relock(m))
    return 0;
  if (kernel::active())
    kernel::maybe_yield();
  while (m->__data.__lock != 0) {
    if (!kernel::active())
      ::abort();
    ++m->__data.__nusers;
    kernel::block(m);
    --m->__data.__nusers;
  }
  take(m);
  return 0;
}

int unlock(pthread_mutex_t* m, bool may_yield) {
  if (m->__data.__count > 1) {
    --m->__data.__count;
    return 0;
  }
  m->__data.__lock = 0;
  m->__data.__owner = 0;
  m->__data.__count = 0;
  if (!kernel::active())
    return 0;
  kernel::note_released(m);
  if (m->__data.__nusers != 0)
    kernel::wake(m, 1);
  if (may_yield)
    kernel::maybe_yield();
  return 0;
}

int wait(pthread_cond_t* c, pthread_mutex_t* m, std::int64_t until_ns) {
  unlock(m, false);
  auto woken = kernel::block(c, until_ns);
  lock(m);
  return woken ? 0 : ETIMEDOUT;
}

/// A reader-writer lock in the library's memory: how many read, whether one writes.
struct rw_state {
  unsigned readers;
  unsigned writer;
};

rw_state& rw(pthread_rwlock_t* x) {
  static_assert(sizeof(rw_state) <= sizeof(pthread_rwlock_t));
  return *reinterpret_cast<rw_state*>(x);
}

long futex(std::uint32_t* at, int what, std::uint32_t value, const timespec* limit) {
  auto op = what & FUTEX_CMD_MASK;
  if (op == FUTEX_WAKE || op == FUTEX_WAKE_BITSET) {
    auto woken = kernel::wake(at, value);
    kernel::maybe_yield();
    return static_cast<long>(woken);
  }
  if (__atomic_load_n(at, __ATOMIC_SEQ_CST) != value) {
    errno = EAGAIN;
    return -1;
  }
  auto until = never_ns;
  if (limit != nullptr && op == FUTEX_WAIT)
    until = kernel::now_ns() + to_ns(*limit);
  else if (limit != nullptr)
    until = deadline((what & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, *limit);
  if (kernel::block(at, until))
    return 0;
  errno = ETIMEDOUT;
  return -1;
}

} // namespace

} // namespace foreshift::sim

extern "C" {

// -- threads --------------------------------------------------------------------------------------

int pthread_create(pthread_t* out, const pthread_attr_t* how, void* (*entry)(void*), void* x) {
  return kernel::active() ? kernel::create(out, entry, x)
                          : libc().pthread_create(out, how, entry, x);
}

int pthread_join(pthread_t which, void** result) {
  return kernel::active() ? kernel::join(which, result) : libc().pthread_join(which, result);
}

int pthread_detach(pthread_t which) {
  return kernel::active() ? kernel::detach(which) : libc().pthread_detach(which);
}

int pthread_setname_np(pthread_t, const char*) {
  return 0;
}

int sched_yield() {
  if (kernel::active())
    kernel::yield();
  return 0;
}

int pthread_once(pthread_once_t* control, void (*run)()) {
  constexpr int under_way = 1, done = 2;
  while (__atomic_load_n(control, __ATOMIC_SEQ_CST) != done) {
    if (*control == under_way) {
      kernel::yield();
      continue;
    }
    *control = under_way;
    run();
    *control = done;
  }
  return 0;
}

// -- mutexes --------------------------------------------------------------------------------------

int pthread_mutex_init(pthread_mutex_t* m, const pthread_mutexattr_t* how) {
  std::memset(m, 0, sizeof *m);
  int kind = PTHREAD_MUTEX_DEFAULT;
  if (how != nullptr)
    pthread_mutexattr_gettype(how, &kind);
  m->__data.__kind = kind;
  return 0;
}

int pthread_mutex_destroy(pthread_mutex_t*) {
  return 0;
}

int pthread_mutex_lock(pthread_mutex_t* m) {
  return lock(m);
}

int pthread_mutex_trylock(pthread_mutex_t* m) {
  if (relock(m))
    return 0;
  if (m->__data.__lock != 0)
    return EBUSY;
  take(m);
  return 0;
}

int pthread_mutex_unlock(pthread_mutex_t* m) {
  return unlock(m, true);
}

// -- condition variables --------------------------------------------------------------------------

int pthread_cond_init(pthread_cond_t* c, const pthread_condattr_t* how) {
  std::memset(c, 0, sizeof *c);
  clockid_t clock = CLOCK_REALTIME;
  if (how != nullptr)
    pthread_condattr_getclock(how, &clock);
  if (clock == CLOCK_MONOTONIC)
    c->__data.__wrefs |= monotonic_flag;
  return 0;
}

int pthread_cond_destroy(pthread_cond_t*) {
  return 0;
}

int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
  return wait(c, m, never_ns);
}

int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                           const timespec* until) {
  return wait(c, m, deadline(clock, *until));
}

int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const timespec* until) {
  auto monotonic = (c->__data.__wrefs & monotonic_flag) != 0;
  return wait(c, m, deadline(monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, *until));
}

int pthread_cond_signal(pthread_cond_t* c) {
  if (kernel::active()) {
    kernel::wake(c, 1);
    kernel::maybe_yield();
  }
  return 0;
}

int pthread_cond_broadcast(pthread_cond_t* c) {
  if (kernel::active()) {
    kernel::wake(c);
    kernel::maybe_yield();
  }
  return 0;
}

// -- reader-writer locks --------------------------------------------------------------------------

int pthread_rwlock_init(pthread_rwlock_t* x, const pthread_rwlockattr_t*) {
  std::memset(x, 0, sizeof *x);
  return 0;
}

int pthread_rwlock_destroy(pthread_rwlock_t*) {
  return 0;
}

int pthread_rwlock_rdlock(pthread_rwlock_t* x) {
  while (rw(x).writer != 0)
    kernel::block(x);
  ++rw(x).readers;
  return 0;
}

int pthread_rwlock_wrlock(pthread_rwlock_t* x) {
  while (rw(x).writer != 0 || rw(x).readers != 0)
    kernel::block(x);
  rw(x).writer = 1;
  return 0;
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t* x) {
  if (rw(x).writer != 0)
    return EBUSY;
  ++rw(x).readers;
  return 0;
}

int pthread_rwlock_trywrlock(pthread_rwlock_t* x) {
  if (rw(x).writer != 0 || rw(x).readers != 0)
    return EBUSY;
  rw(x).writer = 1;
  return 0;
}

int pthread_rwlock_unlock(pthread_rwlock_t* x) {
  if (rw(x).writer != 0)
    rw(x).writer = 0;
  else
    --rw(x).readers;
  if (kernel::active())
    kernel::wake(x);
  return 0;
}

// -- futexes: std::atomic::wait, semaphores, futures, static initialisation
// ------------------------

long syscall(long number, ...) noexcept {
  va_list more;
  va_start(more, number);
  long x[6];
  for (auto& value : x)
    value = va_arg(more, long);
  va_end(more);
  if (number == SYS_futex && kernel::active())
    return futex(reinterpret_cast<std::uint32_t*>(x[0]), static_cast<int>(x[1]),
                 static_cast<std::uint32_t>(x[2]), reinterpret_cast<const timespec*>(x[3]));
  return libc().syscall(number, x[0], x[1], x[2], x[3], x[4], x[5]);
}

} // extern "C"
