// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "core/door/door.hpp"

#include <memory>
#include <string>

namespace foreshift {

/// Every verb of the data plane: what the agent's door relays to it unread.
using plane_relay_verbs =
    verbs<verb<schema::PlaneConfigure, schema::Done>, verb<schema::PlaneForget, schema::Done>,
          verb<schema::PlanePrepare, schema::Done>, verb<schema::PlaneStandby, schema::Done>,
          verb<schema::PlaneTakeover, schema::FlipTimes>, verb<schema::PlaneDrain, schema::Done>,
          verb<schema::PlanePromote, schema::PlanePromoted>,
          verb<schema::PlaneRelease, schema::Done>, verb<schema::PlaneAdopt, schema::Done>,
          verb<schema::PlaneStage, schema::Done>, verb<schema::PlaneMirror, schema::Done>,
          verb<schema::PlanePull, schema::PlanePulled>, verb<schema::PlaneVerify, schema::Done>,
          verb<schema::PlaneDigest, schema::PlaneDigests>, verb<schema::PlaneCommit, schema::Done>,
          verb<schema::PlaneAbort, schema::Done>, verb<schema::PlaneRetire, schema::Done>,
          verb<schema::PlaneWatch, schema::Done>, verb<schema::PlaneUnwatch, schema::Done>,
          verb<schema::PlaneChangedGet, schema::PlaneChanged>,
          verb<schema::PlaneScrub, schema::Done>, verb<schema::PlaneReopen, schema::Done>,
          verb<schema::PlaneTrust, schema::Done>, verb<schema::PlaneStatusGet, schema::PlaneStatus>,
          verb<schema::PlaneInventoryGet, schema::PlaneInventory>>;

/// A client of the local data plane's door. When that does not answer, the fault says so in words
/// that mean something to whoever asked from another machine.
std::shared_ptr<door::client> open_plane_client(door::io_thread& io, const std::string& socket,
                                                const std::string& host);

} // namespace foreshift
