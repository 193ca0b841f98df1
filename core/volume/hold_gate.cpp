// SPDX-License-Identifier: Apache-2.0
#include "core/volume/hold_gate.hpp"

namespace foreshift {

bool hold_gate::wait(std::int64_t deadline_ns, const std::function<bool()>& open) {
  std::unique_lock lock{mutex_};
  ++waiting_;
  bool ready = open();
  while (!ready) {
    auto left = deadline_ns - clock_.monotonic_ns();
    if (left <= 0)
      break;
    changed_.wait_for(lock, std::chrono::nanoseconds{left});
    ready = open();
  }
  --waiting_;
  return ready;
}

void hold_gate::wake() {
  std::lock_guard lock{mutex_};
  changed_.notify_all();
}

std::uint32_t hold_gate::waiting() const {
  std::lock_guard lock{mutex_};
  return waiting_;
}

} // namespace foreshift
