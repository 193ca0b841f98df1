// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/sim/kernel.hpp"

#include <pthread.h>

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

} // namespace foreshift::sim
