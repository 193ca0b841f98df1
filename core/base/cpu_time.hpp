// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace foreshift {

/// CPU time that the calling thread has used since it began.
std::chrono::nanoseconds thread_cpu_time();

} // namespace foreshift
