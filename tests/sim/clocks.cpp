// SPDX-License-Identifier: Apache-2.0
// The C library's clocks, sleeps and randomness, by the simulation's kernel (see interpose.cpp).
#include "tests/sim/threads.hpp"

#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

using namespace foreshift::sim;

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  if (!kernel::active())
    return libc().clock_gettime(clock, out);
  auto wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  *out = to_timespec(kernel::now_ns() + (wall ? wall_start_ns : 0));
  return 0;
}

int gettimeofday(timeval* out, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr)
    *out = now.tv_sec;
  return now.tv_sec;
}

int nanosleep(const timespec* span, timespec*) {
  if (kernel::active())
    kernel::sleep(to_ns(*span));
  else
    libc().syscall(SYS_nanosleep, span, nullptr);
  return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* span, timespec*) {
  if (!kernel::active())
    return static_cast<int>(libc().syscall(SYS_clock_nanosleep, clock, flags, span, nullptr));
  auto until =
      (flags & TIMER_ABSTIME) != 0 ? deadline(clock, *span) - kernel::now_ns() : to_ns(*span);
  kernel::sleep(until);
  return 0;
}

int usleep(useconds_t span) {
  timespec x = to_timespec(std::int64_t{span} * us);
  return nanosleep(&x, nullptr);
}

ssize_t getrandom(void* out, size_t size, unsigned) {
  if (!kernel::active())
    return libc().syscall(SYS_getrandom, out, size, 0);
  for (size_t i = 0; i < size; ++i)
    static_cast<unsigned char*>(out)[i] = static_cast<unsigned char>(kernel::random(256));
  return static_cast<ssize_t>(size);
}

} // extern "C"
