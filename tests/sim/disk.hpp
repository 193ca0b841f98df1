// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/disk.hpp"
#include "tests/sim/counts.hpp"
#include "tests/sim/kernel.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace foreshift::sim {

/// What a machine's disk does wrong. All off unless a scenario says so.
struct disk_faults {
  double sync_fails = 0;  ///< Probability that an fdatasync fails, and forgets what it should sync.
  double write_fails = 0; ///< Probability that a write does.
  double read_fails = 0;
  bool full = false; ///< Nothing can be allocated.

  bool any() const { return sync_fails > 0 || write_fails > 0 || read_fails > 0 || full; }
};

/// A file's contents now, and what of them would be there after power loss. Stays where it is in
/// memory as long as it exists, so that it can be mapped.
class inode {
public:
  inode();
  ~inode();
  inode(const inode&) = delete;
  inode& operator=(const inode&) = delete;

  std::byte* data() { return data_; }
  std::uint64_t size = 0;
  bool mapped = false;
  std::set<std::uint64_t> pages; ///< Allocated ones, of 4 KiB.
  std::uint64_t dirty_from = ~0ull, dirty_to = 0;

  void write(std::uint64_t offset, std::span<const std::byte> in);
  void resize(std::uint64_t to);
  void sync();
  void forget_unsynced(); ///< A failed fdatasync: the kernel drops the pages' dirty marks.
  /// Sectors that were not synced survive or not, one by one.
  void lose_power();
  /// A sector at rest changes, by one bit or altogether.
  void rot(std::uint64_t offset);

private:
  std::byte* data_;
  std::vector<std::byte> durable_;
};

/// One machine's file system: survives its processes, and its power as far as it was synced.
class sim_disk final : public disk_io {
public:
  explicit sim_disk(std::uint64_t capacity_bytes);
  ~sim_disk() override;

  result<std::unique_ptr<disk_file>> open(const std::string& path, open_mode how) override;
  result<std::unique_ptr<disk_file>> lock(const std::string& path) override;
  result<void> make_directory(const std::string& path) override;
  result<void> sync_directory(const std::string& path) override;
  result<void> remove_tree(const std::string& path) override;
  result<std::vector<std::string>> list(const std::string& path) const override;
  result<file_system_space> space(const std::string& path) const override;
  result<std::string> boot_id() const override;
  rocksdb::Env* database_env() override { return env_.get(); }

  /// The machine goes dark and comes back: its processes must have been killed.
  void lose_power();
  /// The machine had time to write everything back.
  void sync_all();
  /// Locks of killed processes end.
  void release_locks() { locks_.clear(); }
  /// Damages what is at rest of one extent that has data: its data or its checksums, anywhere in
  /// the blocks that are there; false when there is none. `may` says of which extents.
  bool rot(const std::string& directory, std::uint32_t extent_bytes,
           const std::function<bool(std::uint32_t extent)>& may);

  disk_faults faults;
  /// Draws whether something fails, and notes it.
  bool fails(double probability, count what, const std::string& path);
  void note_fault(count what, const std::string& path);
  /// When something last failed or was refused; long ago if never.
  std::int64_t failed_ns() const { return failed_ns_; }

  // For the database's environment.
  std::map<std::string, std::shared_ptr<inode>> files;
  std::set<std::string> directories;
  bool room_for(std::uint64_t bytes) const;
  std::uint64_t used() const;

private:
  const std::uint64_t capacity_;
  std::uint64_t boots_ = 1;
  std::int64_t failed_ns_ = -3600 * second;
  std::map<std::string, process*> locks_;
  std::unique_ptr<rocksdb::Env> env_;
};

/// The database's files on that disk, its threads on the kernel's.
std::unique_ptr<rocksdb::Env> make_database_env(sim_disk& disk);

} // namespace foreshift::sim
