// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/extent/extent_store.hpp"
#include "core/volume/replica_health.hpp"
#include "core/volume/route_view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

enum class flush_scope {
  all, ///< Whatever may be unflushed, by whomever.
  own, ///< Only hosts this holder has written to.
};

/// One client request carried out over one view: which replicas, in which pieces, in parallel.
/// Keeps nothing; the caller orders overlapping writes and keeps the view.
class replica_io {
public:
  /// `local` may be null when this host stores nothing of the volume.
  replica_io(const route_view& view, volume_extents* local, const replica_health& health)
      : view_(view), local_(local), health_(health) {}

  /// Reads from the nearest replica only; adjacent extents at the same host are one request.
  result<void> read(std::uint64_t offset, std::span<std::byte> out) const;

  /// Whether this holder may trust what one replica of the range has: all the others must have been
  /// at this epoch within `read_lease`. Asks those that were not heard of since: `refused` if one
  /// has seen a later epoch, and as a read if it cannot say.
  result<void> confirm(std::uint64_t offset, std::uint64_t length, const clock_source& clock) const;

  /// Reads trying every in-sync replica of each piece. The caller must keep writes away: two
  /// replicas may differ while one is in flight.
  result<void> read_any(std::uint64_t offset, std::span<std::byte> out) const;

  /// What `read_mending` and `mend` did. A host whose rewrite failed is not tried again.
  struct mending {
    std::uint64_t blocks = 0;          ///< Rewritten.
    std::vector<std::uint64_t> lost;   ///< Offsets of blocks without a good copy.
    std::vector<std::uint16_t> failed; ///< Hosts where a rewrite failed.
  };

  /// Like `read_any`, block by block where it must: blocks that are damaged at one replica
  /// (`corrupt` or `storage`) are taken from another one and rewritten where they are damaged.
  /// `corrupt` when a block has no good copy.
  result<void> read_mending(std::uint64_t offset, std::span<std::byte> out, mending& notes) const;

  /// Reads every replica of the range and mends as `read_mending` does.
  result<void> mend(std::uint64_t offset, std::uint64_t length, mending& notes) const;

  /// To every in-sync replica and mirror; success when all have it. After a fault some may have it.
  /// `no_space` only when all are full: one that is full while others are not has failed
  /// (`storage`). A partial block is widened to the whole block for mirrors, whose copy may still
  /// lack the rest.
  result<void> write(std::uint64_t offset, std::span<const std::byte> in) const;
  result<void> zero(std::uint64_t offset, std::uint64_t length) const;

  /// Makes every host durable that may hold unflushed data of the volume.
  result<void> flush(flush_scope scope = flush_scope::all) const;

  /// Whether `flush(scope)` would have nothing to do.
  bool flushed(flush_scope scope) const;

  /// Copies the range from the nearest readable replica to all others.
  result<void> repair(std::uint64_t offset, std::uint64_t length) const;

  struct fan_out {
    std::size_t replicas = 0; ///< Of the widest piece.
    bool local_only =
        true; ///< For a write: no other host is involved. For a read: none is preferred.
  };
  fan_out write_targets(std::uint64_t offset, std::uint64_t length) const;
  bool reads_locally(std::uint64_t offset, std::uint64_t length) const;

private:
  struct piece {
    std::uint64_t offset;
    std::uint64_t length;
    const route_set* set;
  };
  struct batch;

  std::uint32_t extent_at(std::uint64_t offset) const {
    return static_cast<std::uint32_t>(offset / view_.extent_bytes);
  }
  template <class Same, class Visit>
  result<void> each_piece(std::uint64_t offset, std::uint64_t length, Same same, Visit visit) const;
  result<void> read_from(std::uint16_t host, std::uint64_t offset, std::span<std::byte> out) const;
  result<void> read_any_piece(const piece& x, std::span<std::byte> out) const;
  result<void> mend_range(const route_set& set, std::uint64_t offset, std::span<std::byte> out,
                          mending& notes) const;
  result<void> mend_block(const std::vector<std::uint16_t>& damaged, std::uint64_t offset,
                          std::span<const std::byte> good, mending& notes) const;
  result<void> write_to(std::uint16_t host, std::uint64_t offset,
                        std::span<const std::byte> in) const;
  result<void> change(std::uint64_t offset, std::uint64_t length, const std::byte* in) const;
  void to_replicas(batch& work, const piece& x, const std::byte* in) const;
  result<void> to_mirrors(batch& work, const piece& x, const std::byte* in) const;
  result<void> to_mirror(batch& work, const mirror_route& to, const piece& x,
                         const std::byte* in) const;
  result<void> widened_edge(batch& work, const mirror_route& to, std::uint64_t block,
                            const piece& x, const std::byte* in) const;

  const route_view& view_;
  volume_extents* local_;
  const replica_health& health_;
};

template <class Same, class Visit>
result<void> replica_io::each_piece(std::uint64_t offset, std::uint64_t length, Same same,
                                    Visit visit) const {
  auto end = offset + length;
  while (offset < end) {
    const auto& set = view_.of(extent_at(offset));
    auto stop = (offset / view_.extent_bytes + 1) * view_.extent_bytes;
    while (stop < end && same(set, view_.of(extent_at(stop))))
      stop += view_.extent_bytes;
    piece x{offset, std::min(stop, end) - offset, &set};
    if (auto done = visit(x); !done)
      return done;
    offset += x.length;
  }
  return {};
}

/// Whether two extents have the same replicas.
inline bool same_routes(const route_set& x, const route_set& y) {
  return &x == &y;
}

/// Says what a local `refused` means, as a remote host would: `refused` if the host has seen
/// a later epoch, `precondition` if the same one (the extent is not here), `storage` if only an
/// earlier one.
fault classify(const volume_extents& extents, io_permit permit, fault why);

} // namespace foreshift
