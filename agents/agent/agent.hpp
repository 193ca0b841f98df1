// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/agent_options.hpp"
#include "core/base/result.hpp"

#include <memory>

namespace foreshift {

/// One host's agent: its actors, its door and its memory, wired together.
class agent {
public:
  /// Opens the database, spawns the actors and listens. `busy`: another agent uses the data
  /// directory.
  static result<std::unique_ptr<agent>> open(agent_options options);

  virtual ~agent() = default;

  /// Stores what the actors know, ends the data plane if asked to, and ends the actors. Once.
  virtual void stop(bool stop_plane) = 0;
};

} // namespace foreshift
