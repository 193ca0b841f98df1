// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/network.hpp"

#include "tests/sim/counts.hpp"

#include <algorithm>

namespace foreshift::sim {

namespace {

network_faults wires;
std::map<std::string, net::listener> all_listeners;

constexpr std::int64_t local_ns_max = 20 * us;

} // namespace

namespace net {

network_faults& faults() {
  return wires;
}

void reset() {
  wires = {};
  all_listeners.clear();
}

std::map<std::string, listener>& listeners() {
  return all_listeners;
}

} // namespace net

void pipe::send(std::function<void()> arrive, std::function<void()> broken) {
  bool local = from_->host == to_->host;
  std::int64_t delay = 0;
  if (local) {
    delay = static_cast<std::int64_t>(kernel::random(local_ns_max));
  } else {
    delay = wires.delay_ns_min
            + static_cast<std::int64_t>(kernel::random(
                static_cast<std::uint64_t>(wires.delay_ns_max - wires.delay_ns_min)));
    if (wires.slow > 0 && kernel::chance(wires.slow))
      delay +=
          static_cast<std::int64_t>(kernel::random(static_cast<std::uint64_t>(wires.slow_ns_max)));
  }
  // In order: nothing overtakes what was sent before.
  auto at = std::max(kernel::now_ns() + delay, last_ns_ + 1);
  last_ns_ = at;
  bool resets = !local && wires.reset > 0 && kernel::chance(wires.reset);
  auto tell = [from = from_, broken](std::int64_t after_ns) {
    kernel::after(after_ns, [from, broken] {
      if (from->alive)
        broken();
    });
  };
  if (silent_)
    return;
  if (!local && wires.cut.contains({from_->host, to_->host})) {
    silent_ = true;
    return;
  }
  if (resets) {
    counts::add(count::resets);
    kernel::trace("connection reset " + from_->name + " -> " + to_->name);
    // Whether the message got through is anybody's guess.
    if (kernel::chance(0.5))
      kernel::after(at - kernel::now_ns(), [to = to_, arrive] {
        if (to->alive)
          arrive();
      });
    silent_ = true;
    return tell(delay);
  }
  kernel::after(at - kernel::now_ns(), [this_from = from_, to = to_, arrive, tell, delay, local] {
    // A cut that came while it was under way swallows it too, without a word.
    if (!local && wires.cut.contains({this_from->host, to->host}))
      return;
    if (to->alive)
      arrive();
    else
      tell(delay);
  });
}

} // namespace foreshift::sim
