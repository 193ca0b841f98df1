// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/disk.hpp"
#include "core/extent/extent_store.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace foreshift {

/// Bytes of a volume that one segment file covers (ext4 ends at 16 TiB).
inline constexpr std::uint64_t segment_bytes = 1ull << 40;

/// One sparse file of data, NNNN.extents, and beside it NNNN.crc: a mapped array with the checksum
/// (see `block_checksum`) of every block. Offsets are from the segment's start.
///
/// Reads may come from any thread. Calls that change or compare blocks of one extent are serialised
/// by the caller (an extent lies in one segment); different extents need no order.
class segment_file {
public:
  /// Offset and length, ascending, of extents that are known to lie here.
  using known_ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

  /// Opens or creates. What is missing of files that have `known` ranges is said and made long
  /// again; its blocks match no checksum then.
  static result<std::unique_ptr<segment_file>> open(disk_io& disk, const std::string& directory,
                                                    std::uint32_t number, std::uint64_t size_bytes,
                                                    const known_ranges& known);

  const std::string& path() const { return path_; }

  /// Reads any range and checks every block it touches; returns the offset of the first one that
  /// does not match its checksum. While it is being written, a block may look so.
  result<std::optional<std::uint64_t>> read(std::uint64_t offset, std::span<std::byte> out) const;

  /// The same for whole blocks, from the medium; `out` is aligned to a block.
  result<std::optional<std::uint64_t>> read_medium(std::uint64_t offset,
                                                   std::span<std::byte> out) const;

  /// Finds disk space for the checksums of a range. Once before its first write: a store into a
  /// mapped hole of a full disk would kill the process.
  result<void> reserve_checksums(std::uint64_t offset, std::uint64_t length);

  /// Data, then checksums; not durable before `sync`. Any alignment: the rest of a partly written
  /// block is read, and must match its checksum (`corrupt`). After a fault each block is old or new
  /// and matches, or was torn and does not.
  result<void> write(std::uint64_t offset, std::span<const std::byte> in);

  /// Frees whole blocks (or writes zeroes where the file system cannot) and their checksums.
  result<void> clear(std::uint64_t offset, std::uint64_t length);

  /// Counts a block found corrupt and says so, naming file and `extent`; `offset` is the block's.
  fault corrupt_block(std::uint64_t offset, std::uint32_t extent) const;

  /// Takes the checksums of whole blocks from the data as it is.
  result<void> resum(std::uint64_t offset, std::uint64_t length);

  /// Whether the file has data in the range, and not just a hole.
  result<bool> has_data(std::uint64_t offset, std::uint64_t length) const;

  /// Where data begins at or after `offset`, if anywhere.
  result<std::optional<std::uint64_t>> next_data(std::uint64_t offset) const;

  /// Whether every block of the range is zeroes, by its checksums.
  bool is_zero(std::uint64_t offset, std::uint64_t length) const;

  /// XXH3 of the range's checksums; 0 when all is zeroes.
  std::uint64_t digest(std::uint64_t offset, std::uint64_t length) const;

  /// fdatasync of what was written since the last one. A failure is for good: what the kernel
  /// dropped then cannot be known, so every later sync fails too.
  result<void> sync();

  /// Syncs may succeed again; what was written before is not asked for any more.
  void forgive();

  std::uint64_t bytes_allocated() const;
  std::uint64_t corrupt_blocks() const { return corrupt_blocks_.load(); }

private:
  segment_file() = default;

  using reader = result<std::size_t> (disk_file::*)(std::uint64_t, std::span<std::byte>) const;
  result<void> fetch(reader how, std::uint64_t offset, std::span<std::byte> out) const;
  result<bool> read_edge(std::uint64_t offset, std::span<std::byte> out) const;
  std::optional<std::uint64_t> mismatch(std::uint64_t offset,
                                        std::span<const std::byte> data) const;
  std::uint32_t sum(std::uint64_t block) const;
  void store_sum(std::uint64_t block, std::uint32_t value);
  result<void> write_piece(std::uint64_t offset, std::span<const std::byte> in);
  result<std::uint32_t> merged_sum(std::uint64_t block, std::uint64_t offset,
                                   std::span<const std::byte> in) const;
  void settle_sums(std::uint64_t first, std::span<const std::uint32_t> wanted);
  result<void> put_bytes(std::uint64_t offset, std::span<const std::byte> in);
  result<void> free_bytes(std::uint64_t offset, std::uint64_t length);

  std::string path_;
  std::unique_ptr<disk_file> data_;
  std::unique_ptr<disk_file> crc_;
  std::span<std::byte> sums_; ///< The mapping of `crc_`.
  mutable std::atomic<bool> short_{false};
  mutable std::atomic<std::uint64_t> corrupt_blocks_{0};
  /// A former process may have left something unsynced.
  std::atomic<bool> dirty_{true};
  std::mutex sync_mutex_;
  bool sync_failed_ = false;
};

} // namespace foreshift
