// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agents/coordinator/coordinator_options.hpp"

#include <memory>

namespace foreshift {

inline constexpr const char* coordinator_version = "0.1.0";

/// The control plane's process: store, actors and door, wired together.
class coordinator {
public:
  /// Opens the store, spawns the actors and listens. `busy`: another coordinator has the directory.
  static result<std::unique_ptr<coordinator>> open(coordinator_options options);

  virtual ~coordinator() = default;

  /// Ends the actors. What they were doing is resumed from the store at the next start. Once.
  virtual void stop() = 0;
};

} // namespace foreshift
