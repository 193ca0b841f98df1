// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"
#include "core/extent/extent_store.hpp"
#include "schemas/plane.capnp.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace foreshift {

/// The lease a gateway last knew it held.
struct lease_record {
  schema::LeaseState state = schema::LeaseState::NONE;
  std::uint64_t epoch = 0;

  friend bool operator==(const lease_record&, const lease_record&) = default;
};

/// "primary 7"; nothing for text that is not such a record.
std::string encode(const lease_record& x);
std::optional<lease_record> decode_lease(std::string_view text);

/// Numbers for a process's sessions at its peers, from one that is higher than all of any former
/// process: counts this one, durably.
result<std::shared_ptr<std::atomic<std::uint64_t>>> session_numbers(extent_store& store);

/// What a data plane must find again after kill -9 to go on without agent or coordinator: volumes,
/// peers, leases held, their maps, and mirrors in force. Lives in the extent store's database.
class plane_records {
public:
  explicit plane_records(extent_store& store) : store_(store) {}

  result<void> put_spec(const packet<schema::VolumeSpec>& spec);
  result<std::vector<packet<schema::VolumeSpec>>> specs() const;

  result<void> put_peer(const packet<schema::HostAddress>& peer);
  result<std::vector<packet<schema::HostAddress>>> peers() const;

  /// The start of the machine that the last process was in; empty: none is known. `put` synced.
  result<void> put_boot(const std::string& boot);
  result<std::string> boot() const;

  result<void> put_lease(std::uint64_t volume, const lease_record& lease, bool sync);
  result<lease_record> lease(std::uint64_t volume) const;

  /// The map to use while holding `epoch`.
  result<void> put_map(std::uint64_t volume, std::uint64_t epoch,
                       const packet<schema::Placement>& map);
  result<std::optional<packet<schema::Placement>>> map(std::uint64_t volume,
                                                       std::uint64_t epoch) const;

  result<void> put_mirror(const packet<schema::PlaneMirror>& mirror);
  result<void> erase_mirror(std::uint64_t volume, std::uint64_t move);
  result<std::vector<packet<schema::PlaneMirror>>> mirrors(std::uint64_t volume) const;

  /// Drops maps and mirrors of epochs below `epoch`.
  result<void> prune(std::uint64_t volume, std::uint64_t epoch);

  result<void> forget(std::uint64_t volume);

private:
  template <class Schema>
  result<std::vector<packet<Schema>>> all(const std::string& prefix) const;

  extent_store& store_;
};

} // namespace foreshift
