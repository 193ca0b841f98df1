// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/extent_store.hpp"
#include "core/volume/replica_health.hpp"
#include "core/volume/route_view.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

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

  /// Reads trying every in-sync replica of each piece. The caller must keep writes away: two
  /// replicas may differ while one is in flight.
  result<void> read_any(std::uint64_t offset, std::span<std::byte> out) const;

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

/// Says what a local `refused` means, as a remote host would: `refused` if the host has seen
/// a later epoch, `precondition` if the same one (the extent is not here), `storage` if only an
/// earlier one.
fault classify(const volume_extents& extents, io_permit permit, fault why);

} // namespace foreshift
