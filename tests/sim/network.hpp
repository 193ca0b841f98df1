// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/sim/kernel.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace foreshift::sim {

/// Wires between hosts. Processes of one host talk over sockets that never fail.
struct network_faults {
  std::int64_t delay_ns_min = 30 * us;
  std::int64_t delay_ns_max = 200 * us;
  double slow = 0; ///< Share of messages that take much longer.
  std::int64_t slow_ns_max = 300 * ms;
  double reset = 0; ///< Share of messages whose connection breaks instead.
  double lost = 0;  ///< Share of requests between doors that nobody ever hears of.
  std::set<std::pair<std::string, std::string>> cut; ///< (from, to) hosts: nothing arrives.
};

/// One direction of a stream between two processes: what is sent arrives in order, or never. When
/// something was lost the rest is lost too, as in TCP, until the stream is given up.
class pipe {
public:
  pipe(process* from, process* to) : from_(from), to_(to) {}

  /// `arrive` runs at the other side, as an event: it must not block. `broken` runs here if the
  /// stream breaks or the other side is not alive; neither when it is merely silent.
  void send(std::function<void()> arrive, std::function<void()> broken);

  process* to() const { return to_; }

private:
  process* from_;
  process* to_;
  std::int64_t last_ns_ = 0;
  bool silent_ = false;
};

namespace net {

network_faults& faults();
void reset(); ///< A new world.

/// Whatever a process listens with; by address.
struct listener {
  process* owner = nullptr;
  void* server = nullptr;
};
std::map<std::string, listener>& listeners();

} // namespace net

} // namespace foreshift::sim
