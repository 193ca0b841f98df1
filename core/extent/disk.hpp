// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class Env;
} // namespace rocksdb

namespace foreshift {

struct file_system_space {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
};

/// An open file; closes itself. Any thread. Faults: `no_space` for a full disk or quota, else
/// `storage`; the sentence names the file.
class disk_file {
public:
  virtual ~disk_file() = default;

  /// Reads up to `out.size()` bytes and says how many; 0 at the end of the file.
  virtual result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const = 0;

  /// The same from the medium where the file system can, without leaving it in the page cache;
  /// what was written before is seen. Offset, size and address are multiples of 4 KiB.
  virtual result<std::size_t> read_medium(std::uint64_t offset, std::span<std::byte> out) const = 0;

  /// Writes at least one byte of `in` (not empty) and says how many. Not durable before `sync`.
  virtual result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> in) = 0;

  /// fdatasync of what was written and stored through the mapping.
  virtual result<void> sync() = 0;

  /// Allocates space behind a range, without changing what it reads as or the file's length.
  virtual result<void> allocate(std::uint64_t offset, std::uint64_t length) = 0;

  /// Frees the space of a range, which reads as zeroes then; false where that is not supported.
  virtual result<bool> punch(std::uint64_t offset, std::uint64_t length) = 0;

  /// Sets the length; a longer file is sparse.
  virtual result<void> resize(std::uint64_t size_bytes) = 0;

  virtual result<std::uint64_t> size() const = 0;
  virtual result<std::uint64_t> allocated_bytes() const = 0;

  /// Where data begins at or after `offset`; none when only holes follow. A file system without
  /// holes says `offset`.
  virtual result<std::optional<std::uint64_t>> next_data(std::uint64_t offset) const = 0;

  /// A shared, writable mapping of the first bytes, which the file must have; what is stored there
  /// survives the process's death. Stays until the file is closed. Once per file.
  virtual result<std::span<std::byte>> map(std::uint64_t size_bytes) = 0;
};

/// Everything the extent store does to a file system, so that tests and simulations can stand in
/// for it (see `real_disk`). Any thread.
class disk_io {
public:
  enum class open_mode { existing, create };

  virtual ~disk_io() = default;

  /// Created as 0600. `not_found` when it is missing in mode `existing`.
  virtual result<std::unique_ptr<disk_file>> open(const std::string& path, open_mode how) = 0;

  /// Opens a file for this process alone as long as it lives; `busy` when another one has it.
  virtual result<std::unique_ptr<disk_file>> lock(const std::string& path) = 0;

  /// Creates a directory as 0700 with its parents and makes its entry durable; an existing one is
  /// fine.
  virtual result<void> make_directory(const std::string& path) = 0;

  /// fsync of a directory: names created in it survive power loss.
  virtual result<void> sync_directory(const std::string& path) = 0;

  /// Removes a directory and everything in it; a missing one is fine.
  virtual result<void> remove_tree(const std::string& path) = 0;

  /// Names in a directory, sorted.
  virtual result<std::vector<std::string>> list(const std::string& path) const = 0;

  /// Space of the file system that holds `path`, as an ordinary user sees it.
  virtual result<file_system_space> space(const std::string& path) const = 0;

  /// Which start of the machine this is: a new one means that what was not synced may be lost.
  virtual result<std::string> boot_id() const = 0;

  /// Where RocksDB keeps its files; null: its own default.
  virtual rocksdb::Env* database_env() = 0;
};

/// The machine's file systems.
disk_io& real_disk();

/// Translates an errno: `no_space` for a full disk or quota, else `storage`. "cannot DOING PATH:
/// why".
fault os_fault(int error, std::string_view doing, const std::string& path);

} // namespace foreshift
