// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/machine.hpp"

#include <cstdint>
#include <optional>

namespace foreshift::lease {

/// What `host` keeps of a volume for a reason: in sync, lost or retiring there, or on its way by a
/// move.
roaring::Roaring wanted_at(const volume_facts& facts, const std::string& host);

struct sweep_request {
  std::uint64_t volume = 0;
  std::string host;
};

/// Frees what a host keeps of a volume although nothing says that it should: neither the map (in
/// sync, lost or retiring) nor a move that is being made.
///
///   inventory (host) -> read the store -> retire (host)
///
/// All inside the volume's map section, and the store is read after the inventory: a copy that a
/// move makes meanwhile can become a replica only after this, and then it is not in the inventory.
/// `finish.bytes`: the size of the extents that were freed.
class sweep_machine final : public machine {
public:
  explicit sweep_machine(sweep_request request) : request_(std::move(request)) {}

private:
  script<finish> run() override;

  const sweep_request request_;
};

} // namespace foreshift::lease
