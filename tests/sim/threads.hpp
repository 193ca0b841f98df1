// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/sim/kernel.hpp"

#include <pthread.h>

#include <ctime>

/// What interpose.cpp needs of the kernel's threads.
namespace foreshift::sim {

struct sim_thread;

namespace kernel {

sim_thread* self();
std::uint32_t id_of(const sim_thread* thread); ///< From 1.

/// pthread_create and its kin; 0 or an errno.
int create(pthread_t* out, void* (*entry)(void*), void* argument);
int join(pthread_t which, void** result);
int detach(pthread_t which);

/// For locks whose owner may be killed: others must not wait for a ghost.
void note_held(void* lock);
void note_released(void* lock);

} // namespace kernel

/// The C library's own functions behind the names that interpose.cpp defines.
struct libc_calls {
  int (*pthread_create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  int (*pthread_join)(pthread_t, void**);
  int (*pthread_detach)(pthread_t);
  int (*clock_gettime)(clockid_t, struct timespec*);
  long (*syscall)(long, ...);
};
const libc_calls& libc();

inline constexpr std::int64_t wall_start_ns = 1'700'000'000ll * second;

inline std::int64_t to_ns(const timespec& x) {
  return x.tv_sec * second + x.tv_nsec;
}

inline timespec to_timespec(std::int64_t ns) {
  return {ns / second, static_cast<long>(ns % second)};
}

/// A point of that clock as the kernel's time.
inline std::int64_t deadline(clockid_t clock, const timespec& at) {
  auto ns = to_ns(at);
  return clock == CLOCK_REALTIME ? ns - wall_start_ns : ns;
}

} // namespace foreshift::sim
