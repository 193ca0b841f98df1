// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/machine.hpp"

#include <cstdint>
#include <optional>

namespace foreshift::lease {

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
  roaring::Roaring wanted(const volume_facts& facts) const;

  const sweep_request request_;
};

} // namespace foreshift::lease
