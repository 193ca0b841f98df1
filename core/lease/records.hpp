// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/codec/packet.hpp"
#include "core/volume/placement.hpp"
#include "schemas/lease.capnp.h"
#include "schemas/migration.capnp.h"
#include "schemas/volume.capnp.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift::lease {

/// An address book entry (see HostAddress).
struct host_address {
  std::string name, nbd, plane, agent, zone;
  friend bool operator==(const host_address&, const host_address&) = default;
};

/// A flip between PREPARE and COMMIT; `id` 0: none. `to` empty: a detach.
struct flip_intent {
  std::uint64_t id = 0;
  std::uint64_t epoch = 0;
  std::string to, from;
  friend bool operator==(const flip_intent&, const flip_intent&) = default;
};

/// The authority's record of a volume's lease (see Lease).
struct lease_record {
  std::uint64_t volume = 0;
  std::uint64_t epoch = 0;
  std::string holder;
  std::uint64_t held_epoch = 0;
  flip_intent prepared;
  friend bool operator==(const lease_record&, const lease_record&) = default;
};

/// One batch of a move in flight (see MoveRecord).
struct move_record {
  std::uint64_t id = 0;
  std::uint64_t volume = 0;
  std::uint64_t epoch = 0;
  std::string source, destination;
  std::vector<std::uint32_t> extents;
  bool committed = false;
  std::uint64_t map_version = 0;
  bool resync = false; ///< The destination was lost and returns with what it has as a basis.
  friend bool operator==(const move_record&, const move_record&) = default;
};

/// Microseconds, measured by the destination's data plane (see FlipTimes).
struct flip_times {
  std::uint64_t drain_us = 0, promote_us = 0, serve_us = 0, total_us = 0, waited_us = 0;
};

struct stored_move {
  move_record record;
  std::uint64_t revision = 0;
};

/// What the store says about one volume, with the revisions that guard a change of it.
struct volume_facts {
  explicit volume_facts(placement_map map) : placement(std::move(map)) {}

  placement_map placement;
  std::uint64_t placement_revision = 0;
  lease_record lease;
  std::uint64_t lease_revision = 0;
  std::map<std::uint64_t, stored_move> moves; ///< In flight, by id.
  std::vector<host_address> peers;            ///< Every host known to the cell.

  const volume_shape& shape() const { return placement.shape(); }
};

/// Keys in the authority's store. Numbers are padded, so that a range comes back in order.
std::string lease_key(std::uint64_t volume);
std::string placement_key(std::uint64_t volume);
std::string volume_key(std::uint64_t volume);
std::string move_key(std::uint64_t move);
std::string policy_key(std::uint64_t volume);

void encode(const host_address& x, schema::HostAddress::Builder out);
host_address decode(schema::HostAddress::Reader in);
void encode(const lease_record& x, schema::Lease::Builder out);
lease_record decode(schema::Lease::Reader in);
packet<schema::MoveRecord> encode(const move_record& x);
move_record decode(schema::MoveRecord::Reader in);
void encode(const flip_times& x, schema::FlipTimes::Builder out);
flip_times decode(schema::FlipTimes::Reader in);

/// A record's bytes as the store keeps them.
template <class Schema>
std::string to_value(const packet<Schema>& x) {
  return std::string{as_text(x.bytes())};
}
std::string to_value(const lease_record& x);
std::string to_value(const move_record& x);

} // namespace foreshift::lease
