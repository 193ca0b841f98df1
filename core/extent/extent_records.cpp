// SPDX-License-Identifier: Apache-2.0
#include "core/extent/extent_records.hpp"

#include "core/extent/record_codec.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

namespace foreshift {

namespace {

fault to_fault(const rocksdb::Status& status) {
  auto full = status.IsNoSpace() || status.ToString().find("No space left") != std::string::npos;
  if (full)
    return {errc::no_space, "the extent database is out of space: " + status.ToString()};
  if (status.IsCorruption())
    return {errc::corrupt, "the extent database is damaged: " + status.ToString()};
  return {errc::storage, "the extent database failed: " + status.ToString()};
}

rocksdb::Slice slice(std::string_view in) {
  return {in.data(), in.size()};
}

rocksdb::Options small_database() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(2 << 20);
  rocksdb::Options out;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.create_if_missing = true;
  out.write_buffer_size = 4 << 20;
  out.max_write_buffer_number = 2;
  out.max_total_wal_size = 16 << 20;
  out.max_open_files = 32;
  out.max_background_jobs = 1;
  out.compression = rocksdb::kNoCompression;
  // What a killed process left in its log becomes a synced table at once: `SyncWAL` does not reach
  // the log of a former process, so a flush would not make that durable.
  out.avoid_flush_during_recovery = false;
  out.info_log_level = rocksdb::WARN_LEVEL;
  out.keep_log_file_num = 2;
  out.max_log_file_size = 1 << 20;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  return out;
}

} // namespace

extent_records::extent_records(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {
  // nop
}

extent_records::~extent_records() = default;

result<std::unique_ptr<extent_records>> extent_records::open(const std::string& path,
                                                             rocksdb::Env* env) {
  rocksdb::DB* db = nullptr;
  auto options = small_database();
  if (env)
    options.env = env;
  if (auto status = rocksdb::DB::Open(options, path, &db); !status.ok())
    return to_fault(status);
  return std::unique_ptr<extent_records>(new extent_records(std::unique_ptr<rocksdb::DB>(db)));
}

result<void> extent_records::write(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  auto status = db_->Write(options, &batch);
  // After a full disk RocksDB refuses writes until it is told to go on, which it can unless that
  // hit its log. All batches here are puts and erasures of whole records, so writing one twice is
  // harmless.
  if (!status.ok() && to_fault(status).code == errc::no_space && db_->Resume().ok())
    status = db_->Write(options, &batch);
  if (!status.ok())
    return failed(status);
  stuck_ = false;
  written_.fetch_add(1);
  return {};
}

fault extent_records::failed(const rocksdb::Status& status) {
  auto why = to_fault(status);
  stuck_ = true;
  if ((why.code == errc::no_space || !broken_.exchange(true)) && on_broken)
    on_broken(why);
  return why;
}

result<void> extent_records::sync() {
  std::lock_guard lock(sync_mutex_);
  auto upto = written_.load();
  if (upto == synced_)
    return {};
  // RocksDB must not be asked to sync a log that it could not write.
  if (stuck_) {
    if (auto status = db_->Resume(); !status.ok()) // busy: it waits for room by itself
      return failed(status.IsBusy() ? rocksdb::Status::NoSpace() : status);
    stuck_ = false;
  }
  if (auto status = db_->SyncWAL(); !status.ok())
    return failed(status);
  synced_ = upto;
  return {};
}

result<std::optional<std::string>> extent_records::get(std::string_view key) const {
  std::string value;
  auto status = db_->Get(rocksdb::ReadOptions{}, slice(key), &value);
  if (status.IsNotFound())
    return std::optional<std::string>{};
  if (!status.ok())
    return to_fault(status);
  return std::optional<std::string>(std::move(value));
}

result<void> extent_records::each(std::string_view prefix, const visitor& visit) const {
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions{}));
  for (at->Seek(slice(prefix)); at->Valid() && at->key().starts_with(slice(prefix)); at->Next())
    if (auto ok = visit(at->key().ToStringView(), at->value().ToStringView()); !ok)
      return ok;
  if (!at->status().ok())
    return to_fault(at->status());
  return {};
}

result<void> extent_records::put_extent(std::uint64_t volume, std::uint32_t extent,
                                        const extent_record& record) {
  rocksdb::WriteBatch batch;
  batch.Put(extent_key(volume, extent), encode(record));
  return write(batch, false);
}

result<void> extent_records::erase_extent(std::uint64_t volume, std::uint32_t extent) {
  rocksdb::WriteBatch batch;
  batch.Delete(extent_key(volume, extent));
  return write(batch, false);
}

result<void> extent_records::change_extents(std::uint64_t volume,
                                            std::span<const record_change> changes) {
  if (changes.empty())
    return {};
  rocksdb::WriteBatch batch;
  for (const auto& change : changes) {
    if (change.record)
      batch.Put(extent_key(volume, change.extent), encode(*change.record));
    else
      batch.Delete(extent_key(volume, change.extent));
  }
  return write(batch, true);
}

result<std::optional<extent_record>> extent_records::extent(std::uint64_t volume,
                                                            std::uint32_t extent) const {
  auto value = get(extent_key(volume, extent));
  if (!value)
    return value.error();
  if (!*value)
    return std::optional<extent_record>{};
  auto record = decode_record(**value);
  if (!record)
    return record.error();
  return std::optional<extent_record>(*record);
}

result<void> extent_records::scan(std::uint64_t volume, const record_visitor& visit) const {
  return each(volume_key(volume, 'e'), [&](auto key, auto value) -> result<void> {
    auto extent = decode_extent_key(key);
    if (!extent)
      return extent.error();
    auto record = decode_record(value);
    if (!record)
      return record.error();
    visit(*extent, *record);
    return {};
  });
}

result<void> extent_records::put_layout(const volume_layout& layout) {
  rocksdb::WriteBatch batch;
  batch.Put(volume_key(layout.id, 'l'), encode(layout));
  return write(batch, true);
}

result<std::optional<volume_layout>> extent_records::layout(std::uint64_t volume) const {
  auto value = get(volume_key(volume, 'l'));
  if (!value)
    return value.error();
  if (!*value)
    return std::optional<volume_layout>{};
  auto layout = decode_layout(volume, **value);
  if (!layout)
    return layout.error();
  return std::optional<volume_layout>(std::move(*layout));
}

result<void> extent_records::put_fence(std::uint64_t volume, const fence_state& fence) {
  rocksdb::WriteBatch batch;
  batch.Put(volume_key(volume, 'f'), encode(fence));
  return write(batch, true);
}

result<fence_state> extent_records::fence(std::uint64_t volume) const {
  auto value = get(volume_key(volume, 'f'));
  if (!value)
    return value.error();
  if (!*value)
    return fence_state{};
  return decode_fence(**value);
}

result<void> extent_records::put_failure(std::uint64_t volume, std::string_view why) {
  rocksdb::WriteBatch batch;
  batch.Put(volume_key(volume, 'x'), slice(why));
  return write(batch, true);
}

result<std::string> extent_records::failure(std::uint64_t volume) const {
  auto value = get(volume_key(volume, 'x'));
  if (!value)
    return value.error();
  return value->value_or(std::string{});
}

result<void> extent_records::erase_failure(std::uint64_t volume) {
  rocksdb::WriteBatch batch;
  batch.Delete(volume_key(volume, 'x'));
  return write(batch, true);
}

result<void> extent_records::put_boot(std::uint64_t volume, std::string_view boot) {
  rocksdb::WriteBatch batch;
  batch.Put(volume_key(volume, 'b'), slice(boot));
  return write(batch, true);
}

result<std::string> extent_records::boot(std::uint64_t volume) const {
  auto value = get(volume_key(volume, 'b'));
  if (!value)
    return value.error();
  return value->value_or(std::string{});
}

result<void> extent_records::erase_boot(std::uint64_t volume) {
  rocksdb::WriteBatch batch;
  batch.Delete(volume_key(volume, 'b'));
  return write(batch, true);
}

result<void> extent_records::erase_volume(std::uint64_t volume) {
  rocksdb::WriteBatch batch;
  batch.DeleteRange(extent_key(volume, 0), volume_key(volume, 'f'));
  batch.Delete(volume_key(volume, 'f'));
  batch.Delete(volume_key(volume, 'l'));
  batch.DeleteRange(watch_key(volume, 0), volume_key(volume, 'x'));
  batch.Delete(volume_key(volume, 'x'));
  batch.Delete(volume_key(volume, 'b'));
  return write(batch, true);
}

result<void> extent_records::put_watch(std::uint64_t volume, std::uint64_t since) {
  rocksdb::WriteBatch batch;
  batch.Put(watch_key(volume, since), {});
  return write(batch, true);
}

result<void> extent_records::put_notes(std::uint64_t volume, std::span<const std::uint64_t> sinces,
                                       std::uint32_t extent) {
  rocksdb::WriteBatch batch;
  for (auto since : sinces)
    batch.Put(note_key(volume, since, extent), {});
  return write(batch, true);
}

result<void> extent_records::erase_watch(std::uint64_t volume, std::uint64_t since) {
  rocksdb::WriteBatch batch;
  batch.DeleteRange(watch_key(volume, since), watch_key(volume, since + 1));
  return write(batch, true);
}

result<std::map<std::uint64_t, roaring::Roaring>>
extent_records::watches(std::uint64_t volume) const {
  std::map<std::uint64_t, roaring::Roaring> out;
  auto ok = each(volume_key(volume, 'w'), [&](auto key, auto) -> result<void> {
    auto note = decode_watch_key(key);
    if (!note)
      return note.error();
    // A note that came after its watch had ended has no head before it.
    if (!note->extent)
      out[note->since];
    else if (auto found = out.find(note->since); found != out.end())
      found->second.add(*note->extent);
    return {};
  });
  if (!ok)
    return ok.error();
  return out;
}

result<void> extent_records::put(std::string_view key, std::string_view value, bool sync) {
  rocksdb::WriteBatch batch;
  batch.Put(other_key(key), slice(value));
  return write(batch, sync);
}

result<void> extent_records::erase(std::string_view key) {
  rocksdb::WriteBatch batch;
  batch.Delete(other_key(key));
  return write(batch, true);
}

result<std::vector<std::pair<std::string, std::string>>>
extent_records::list(std::string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> out;
  auto ok = each(other_key(prefix), [&](auto key, auto value) -> result<void> {
    out.emplace_back(key.substr(1), value);
    return {};
  });
  if (!ok)
    return ok.error();
  return out;
}

} // namespace foreshift
