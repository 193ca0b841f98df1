// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/extent_store.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rocksdb {
class DB;
class Env;
class Status;
class WriteBatch;
} // namespace rocksdb

namespace foreshift {

/// The durable word on one extent. The numbers are on disk.
struct extent_record {
  enum class kind : std::uint8_t {
    present = 1,
    staged = 2,
    retired = 3,
    resync = 4, ///< Staged, over former data that is kept.
    lost = 5,   ///< Former data that may be stale: never served, good to compare with.
  };

  kind state = kind::present;
  std::uint64_t move = 0; ///< Staged, resync: its owner. Present: what added it; 0: a home's own.

  friend bool operator==(const extent_record&, const extent_record&) = default;
};

/// One extent's new record; none erases it.
struct record_change {
  std::uint32_t extent = 0;
  std::optional<extent_record> record;
};

/// Everything small a partition host keeps, in one RocksDB. "Unsynced" survives the process's death
/// and, after `sync`, the machine's. Every call may come from any thread.
class extent_records {
public:
  /// `env` null: RocksDB's own.
  static result<std::unique_ptr<extent_records>> open(const std::string& path,
                                                      rocksdb::Env* env = nullptr);

  /// Told, on the thread that met it, that something could not be written or synced: from then on
  /// the database refuses every write until it is opened anew. With `no_space` at each attempt, for
  /// a full disk may get room again; else once, and what was written and not synced may be gone.
  /// Set before others use this.
  std::function<void(const fault& why)> on_broken;
  ~extent_records();

  // -- extents: unsynced one by one, synced as a batch
  // ---------------------------------------------

  result<void> put_extent(std::uint64_t volume, std::uint32_t extent, const extent_record& record);
  result<void> erase_extent(std::uint64_t volume, std::uint32_t extent);
  result<void> change_extents(std::uint64_t volume, std::span<const record_change> changes);

  result<std::optional<extent_record>> extent(std::uint64_t volume, std::uint32_t extent) const;

  using record_visitor = std::function<void(std::uint32_t extent, const extent_record& record)>;
  result<void> scan(std::uint64_t volume, const record_visitor& visit) const;

  /// Makes everything written so far durable; nothing to do costs nothing.
  result<void> sync();

  // -- volumes
  // -------------------------------------------------------------------------------------

  /// Notes a volume's shape, synced.
  result<void> put_layout(const volume_layout& layout);
  /// The shape noted (without `is_home`), if any.
  result<std::optional<volume_layout>> layout(std::uint64_t volume) const;
  result<void> put_fence(std::uint64_t volume, const fence_state& fence); ///< Synced.
  result<fence_state> fence(std::uint64_t volume) const;                  ///< Epoch 0 when none.
  result<void> put_failure(std::uint64_t volume, std::string_view why);   ///< Synced.
  result<std::string> failure(std::uint64_t volume) const;                ///< Empty when none.
  result<void> erase_failure(std::uint64_t volume);                       ///< Synced.
  result<void> put_boot(std::uint64_t volume, std::string_view boot);     ///< Synced.
  result<std::string> boot(std::uint64_t volume) const;                   ///< Empty when none.
  result<void> erase_boot(std::uint64_t volume);                          ///< Synced.
  result<void> erase_volume(std::uint64_t volume);                        ///< Synced.

  // -- extents changed while another host's replica was out, by the version that left it out:
  // synced

  result<void> put_watch(std::uint64_t volume, std::uint64_t since);
  result<void> put_notes(std::uint64_t volume, std::span<const std::uint64_t> sinces,
                         std::uint32_t extent);
  result<void> erase_watch(std::uint64_t volume, std::uint64_t since);
  result<std::map<std::uint64_t, roaring::Roaring>> watches(std::uint64_t volume) const;

  // -- small records of others
  // -----------------------------------------------------------------------

  result<void> put(std::string_view key, std::string_view value, bool sync);
  result<void> erase(std::string_view key);
  result<std::vector<std::pair<std::string, std::string>>> list(std::string_view prefix) const;

private:
  explicit extent_records(std::unique_ptr<rocksdb::DB> db);

  result<void> write(rocksdb::WriteBatch& batch, bool sync);
  fault failed(const rocksdb::Status& status);
  result<std::optional<std::string>> get(std::string_view key) const;
  using visitor = std::function<result<void>(std::string_view key, std::string_view value)>;
  result<void> each(std::string_view prefix, const visitor& visit) const;

  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<std::uint64_t> written_{1}; ///< Batches written.
  std::atomic<bool> broken_{false};
  std::atomic<bool> stuck_{false}; ///< The last write failed.
  std::mutex sync_mutex_;
  std::uint64_t synced_ = 0; ///< `written_` at the last sync.
};

} // namespace foreshift
