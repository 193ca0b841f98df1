// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/plane.hpp"
#include "tests/sim/disk.hpp"

#include <memory>
#include <string>

namespace foreshift::sim {

/// A host: its disk, and its data plane, a process that may be killed and started anew.
class machine {
public:
  explicit machine(std::string host);

  void start_plane();
  void kill_plane();
  /// Kills everything and loses what was not synced.
  void lose_power();
  /// A scrub of everything, as an operator asks for it.
  void scrub();

  /// Why others must not rely on it: it is down, or some replica of it doubts, has failed or is
  /// corrupt; empty: it is well.
  std::string trouble() const;

  const std::string& host() const { return host_; }
  process* plane_process() const { return plane_process_; }
  bool plane_up() const { return plane_process_ != nullptr && plane_process_->alive; }

  /// What the checks look into; null while the data plane is down or starting.
  foreshift::plane* plane() const { return plane_up() ? plane_ : nullptr; }

  std::string nbd_address() const { return host_ + ":10809"; }
  std::string guest_address() const { return "guest." + host_ + ":0"; }

  sim_disk disk{24ull << 20};

private:
  void run_plane();
  [[noreturn]] void end_plane(); ///< By itself; the agent starts it again.

  const std::string host_;
  process* plane_process_ = nullptr;
  foreshift::plane* plane_ = nullptr;
};

} // namespace foreshift::sim
