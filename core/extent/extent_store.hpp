// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/roaring.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

class disk_io;

/// The unit of checksums and of a staged copy's bitmap.
inline constexpr std::uint32_t block_bytes = 4096;

struct extent_store_options {
  std::string path; ///< Directory; created 0700; one process at a time (flock).
  std::uint64_t reserve_bytes = 256ull << 20; ///< Kept free: staging a copy below it is `no_space`.
  disk_io* disk = nullptr; ///< Null: the machine's. Must outlive the store and its volumes.
  /// Called, on any thread, when the store's own database failed a write or a sync (for a full disk
  /// once there is room again): it takes no more of them, so the process had better end and start
  /// again. Unless the disk was full, the next one doubts every volume that was changed. Null: the
  /// store goes on refusing.
  std::function<void(const fault& why)> on_broken{};
};

/// What a partition host must know of a volume to store extents of it.
struct volume_layout {
  std::uint64_t id = 0;
  std::uint64_t size_bytes = 0;
  std::uint32_t extent_bytes = 1u << 20;
  /// Whether this host is a home of the extent: then an extent never written reads as zeroes here.
  /// Any other extent exists here only after a committed move; else it is refused, never zeroes.
  std::function<bool(std::uint32_t extent)> is_home;
};

/// The partition host's durable view of a volume's lease.
struct fence_state {
  std::uint64_t epoch = 0; ///< Highest promoted; I/O of any other epoch is refused.
  std::string holder;
  std::uint64_t prepared_epoch = 0; ///< Highest promised to a standby; 0: none.
  std::string prepared_holder;

  friend bool operator==(const fence_state&, const fence_state&) = default;
};

/// Who sends a request, fixed when a session opens. (An epoch has one holder, so the epoch
/// suffices.)
struct io_permit {
  std::uint64_t epoch = 0;
  std::uint64_t move =
      0; ///< Not 0: a mirrored write, good only for extents staged by or added by this move.
};

/// The canonical bytes of a block's 128-bit XXH3: as good as comparing the blocks.
inline constexpr std::size_t block_hash_bytes = 16;

struct extent_inventory {
  roaring::Roaring present; ///< Has data here, or was added by a move (perhaps all zeroes).
  roaring::Roaring staged;
  roaring::Roaring retired; ///< Home here by hash, but moved away.
  roaring::Roaring lost;    ///< Data that may be stale, kept to compare with; not served.
};

struct disk_space {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0; ///< Less the reserve; never negative.
  std::uint64_t reserve_bytes = 0;
};

/// All extents of one volume on this host. Every call may come from any thread; calls block on
/// disk.
///
/// Fence (I2): every read, write, zero and flush with a permit checks `permit.epoch == fence.epoch`
/// and fails with `refused` otherwise; `promote` returns only when no request of an older epoch is
/// still being served.
class volume_extents {
public:
  virtual ~volume_extents() = default;

  virtual const volume_layout& layout() const = 0;

  // -- data path -------------------------------------------------------------------------------

  /// Every block touched is checked against its checksum. Fails with `refused` (epoch, or extent
  /// not here), `corrupt` (names file, extent and block), `storage`. So does everything below once
  /// the replica has failed.
  virtual result<void> read(io_permit permit, std::uint64_t offset, std::span<std::byte> out) = 0;

  /// Data reaches the page cache; durable after `flush`. Updates block checksums. `no_space` when
  /// full.
  virtual result<void> write(io_permit permit, std::uint64_t offset,
                             std::span<const std::byte> in) = 0;

  /// Writes zeroes by freeing whole blocks (TRIM and WRITE ZEROES).
  virtual result<void> zero(io_permit permit, std::uint64_t offset, std::uint64_t length) = 0;

  /// fdatasync of all data, checksums and extent records written so far. When that fails, the
  /// replica has failed: what the kernel dropped cannot be known.
  virtual result<void> flush(io_permit permit) = 0;

  // -- moves -----------------------------------------------------------------------------------

  /// Reads for a copy: needs no epoch (a stale copy can never commit), but every block is checked
  /// against its checksum; `corrupt` names file, extent and block. Offsets are block-aligned.
  virtual result<void> read_verified(std::uint64_t offset, std::span<std::byte> out) = 0;

  /// Creates empty staged copies owned by `move`, durable. Staging again under the same move is a
  /// no-op; under a higher move replaces; under a lower one is `refused`. An extent that is already
  /// a replica here is `exists`. `no_space` when the reserve would be broken.
  virtual result<void> stage(std::uint64_t move, std::span<const std::uint32_t> extents) = 0;

  /// Stores pulled data of one staged extent, skipping every block that a mirrored write of the
  /// same move has filled. `offset_in_extent` and sizes are block-aligned. Returns bytes stored
  /// (blocks of zeroes stay holes but count). `refused` when another move owns the staging.
  virtual result<std::uint64_t> fill(std::uint64_t move, std::uint32_t extent,
                                     std::uint32_t offset_in_extent,
                                     std::span<const std::byte> in) = 0;

  /// fdatasync of a move's copies, before they are compared and committed.
  virtual result<void> sync_staged(std::uint64_t move) = 0;

  /// Staged copies become replicas, durable. Idempotent: extents this move already added are
  /// skipped.
  virtual result<void> commit(std::uint64_t move, std::span<const std::uint32_t> extents) = 0;

  /// Frees all staged copies of `move`. Idempotent.
  virtual result<void> abort(std::uint64_t move) = 0;

  /// Refuses these extents from now on and frees their space, durable. Idempotent.
  virtual result<void> retire(std::span<const std::uint32_t> extents) = 0;

  /// XXH3 of each extent's block checksums; 0 for an extent that is all zeroes. `refused` for one
  /// that is not here.
  virtual result<std::vector<std::uint64_t>> digests(std::span<const std::uint32_t> extents) = 0;

  // -- a replica's return
  // ----------------------------------------------------------------------------

  /// Like `stage`, for extents this host held in sync before it was left out of the map: former
  /// data stays where it is, as a basis for `differing` and `fill`. From now on it is refused to
  /// everybody, and neither a crash nor `abort` makes it a replica again: it then is lost data that
  /// can be staged anew. `refused` for an extent that this or a later move has made a replica.
  virtual result<void> stage_resync(std::uint64_t move, std::span<const std::uint32_t> extents) = 0;

  /// Per extent the hashes of its blocks, one after the other; none for an extent of zeroes. Every
  /// block is checked against its checksum (`corrupt`). `refused` for an extent that is no replica.
  virtual result<std::vector<std::vector<std::byte>>>
  block_hashes(std::span<const std::uint32_t> extents) = 0;

  /// The blocks of a staged extent that are not what `hashes` (of `block_hashes`) say, or do not
  /// match their own checksum; those that a mirrored write has filled are left out.
  virtual result<std::vector<bool>> differing(std::uint64_t move, std::uint32_t extent,
                                              std::span<const std::byte> hashes) = 0;

  /// Notes each extent that is changed from now on, durably and before the change, under the map
  /// version that left another host out. `unwatch` ends that and forgets. Both idempotent.
  virtual result<void> watch(std::uint64_t since) = 0;
  virtual result<void> unwatch(std::uint64_t since) = 0;

  /// What was changed since; none when this was not watched.
  virtual std::optional<roaring::Roaring> changed(std::uint64_t since) const = 0;

  /// The map versions that are watched, ascending.
  virtual std::vector<std::uint64_t> watches() const = 0;

  virtual extent_inventory inventory() const = 0;
  virtual std::vector<std::uint64_t> moves_staged() const = 0;

  // -- integrity ---------------------------------------------------------------------------------

  /// Blocks found not to match their checksum since start, as often as they were found.
  virtual std::uint64_t corrupt_blocks() const = 0;

  /// Extents with a block that was found corrupt and has not been checked clean since.
  virtual roaring::Roaring corrupt_extents() const = 0;

  /// Checks every block of an extent from the medium; returns the bytes read, 0 when it is not
  /// present here. What it finds is in `corrupt_extents`.
  virtual result<std::uint64_t> check(std::uint32_t extent) = 0;

  /// Compares records with files without reading data: frees what lies in no extent of this host
  /// and returns its bytes; extents whose data is gone are in `corrupt_extents` then.
  virtual result<std::uint64_t> check_files() = 0;

  /// Why this replica answers nothing but `storage`, over restarts; empty: it has not failed.
  virtual std::string failure() const = 0;

  /// Not 0: the machine has restarted since the volume was changed here, and what was not synced
  /// then may be gone. Until `trust`, over restarts of the process, the replica answers nothing but
  /// `storage`. The number names this doubt.
  virtual std::uint64_t doubt() const = 0;

  /// Ends that doubt: every extent that this host may lack writes of is left out of the map, or no
  /// other host has it. Idempotent; `refused` when the machine has restarted once more.
  virtual result<void> trust(std::uint64_t doubt) = 0;

  /// Frees everything a failed replica has of the volume, which is not trusted any more, and takes
  /// requests again. The map must leave this host out. `precondition` unless it has failed.
  virtual result<void> reopen() = 0;

  /// Bytes allocated on disk.
  virtual std::uint64_t bytes_present() const = 0;

  // -- fence -----------------------------------------------------------------------------------

  /// Durable promise; `refused` unless epoch > max(fence.epoch, prepared_epoch) or it repeats the
  /// same.
  virtual result<void> prepare(std::uint64_t epoch, std::string_view holder) = 0;

  /// Durable fence; `refused` when a higher epoch, or this epoch with another holder, was seen.
  /// Repeating the current fence succeeds without a disk write.
  virtual result<fence_state> promote(std::uint64_t epoch, std::string_view holder) = 0;

  virtual fence_state fence() const = 0;
};

/// A partition host's disk: one directory, one RocksDB (extent records, fences, small state), data
/// in sparse segment files with a mapped checksum file beside each. Every call may come from any
/// thread.
class extent_store {
public:
  virtual ~extent_store() = default;

  /// Fails with `busy` when another process has the directory, `storage` otherwise.
  static result<std::unique_ptr<extent_store>> open(const extent_store_options& options);

  /// Opens or creates; calling again returns the same object (its layout must match: `invalid`).
  virtual result<std::shared_ptr<volume_extents>> volume(const volume_layout& layout) = 0;

  /// The open volume, or null.
  virtual std::shared_ptr<volume_extents> find(std::uint64_t volume) const = 0;

  /// Deletes everything of a volume.
  virtual result<void> forget(std::uint64_t volume) = 0;

  virtual disk_space space() const = 0;

  /// Small durable records of the data plane itself (volume specs, leases held, maps) in the same
  /// RocksDB. `put` returns after fsync when `sync`.
  virtual result<void> put(std::string_view key, std::string_view value, bool sync) = 0;
  virtual result<void> erase(std::string_view key) = 0;
  /// All records whose key starts with `prefix`, sorted.
  virtual result<std::vector<std::pair<std::string, std::string>>>
  list(std::string_view prefix) const = 0;
};

} // namespace foreshift
