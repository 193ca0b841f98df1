// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace foreshift {

/// Lets the calling thread, for good, have the processor only for a small share where others want
/// it too (nice 10): work that guests do not wait for. Not less, because such a thread may hold a
/// lock that a guest's request needs. Without effect where the system forbids it.
void run_in_background() noexcept;

} // namespace foreshift
