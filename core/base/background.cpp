// SPDX-License-Identifier: Apache-2.0
#include "core/base/background.hpp"

#include <sys/resource.h>

namespace foreshift {

void run_in_background() noexcept {
  constexpr int niceness = 10;
  // On Linux process 0 is the calling thread.
  (void)::setpriority(PRIO_PROCESS, 0, niceness);
}

} // namespace foreshift
