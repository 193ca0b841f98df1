// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/agent_store.hpp"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstring>
#include <endian.h>
#include <filesystem>

namespace foreshift {

namespace {

// Keys: 'r' name -> record; 'l' start, sequence, volume -> segment; 't' -> totals. Integers are big
// endian, so that the oldest segment comes first and retention erases a prefix.
constexpr char record_tag = 'r';
constexpr char log_tag = 'l';
constexpr std::size_t log_key_bytes = 25;
constexpr std::string_view totals_key = "t";

void add_u64(std::string& out, std::uint64_t x) {
  x = htobe64(x);
  out.append(reinterpret_cast<const char*>(&x), sizeof x);
}

std::uint64_t read_u64(rocksdb::Slice from, std::size_t at) {
  std::uint64_t x = 0;
  std::memcpy(&x, from.data() + at, sizeof x);
  return be64toh(x);
}

std::string log_key(std::int64_t start_ms, std::uint64_t sequence, std::uint64_t volume) {
  std::string out(1, log_tag);
  add_u64(out, static_cast<std::uint64_t>(std::max<std::int64_t>(start_ms, 0)));
  add_u64(out, sequence);
  add_u64(out, volume);
  return out;
}

std::string record_key(std::string_view name) {
  return std::string(1, record_tag).append(name);
}

fault to_fault(const rocksdb::Status& status, const std::string& path) {
  if (status.IsNotFound())
    return {errc::not_found, "no such record"};
  if (status.IsNoSpace())
    return {errc::no_space, fmt::format("the disk of {} is full", path)};
  return {errc::storage, fmt::format("{}: {}", path, status.ToString())};
}

class rocks_agent_store final : public agent_store {
public:
  rocks_agent_store(std::unique_ptr<rocksdb::DB> db, agent_store_options options)
      : db_(std::move(db)), options_(std::move(options)) {}

  result<void> recover() {
    std::string value;
    auto status = db_->Get({}, rocksdb::Slice{totals_key}, &value);
    if (status.IsNotFound())
      return {};
    if (!status.ok() || value.size() != 32)
      return fault{errc::storage,
                   fmt::format("{}: the log's totals are unreadable", options_.path)};
    totals_ = {read_u64(value, 0), read_u64(value, 8), read_u64(value, 16)};
    sequence_ = read_u64(value, 24);
    return {};
  }

  result<void> put(std::string_view key, std::string_view value, durability how) override {
    rocksdb::WriteOptions write;
    write.sync = how == durability::power;
    return done(db_->Put(write, record_key(key), rocksdb::Slice{value}));
  }

  result<std::string> get(std::string_view key) const override {
    std::string value;
    if (auto status = db_->Get({}, record_key(key), &value); !status.ok())
      return to_fault(status, options_.path);
    return value;
  }

  result<void> append(const std::vector<log_segment>& segments, std::int64_t now_ms) override {
    rocksdb::WriteBatch batch;
    auto next = totals_;
    auto sequence = sequence_;
    for (const auto& x : segments) {
      std::string value;
      add_u64(value, x.records);
      value += x.body;
      batch.Put(log_key(x.start_ms, sequence++, x.volume), value);
      next.records += x.records;
      next.bytes += value.size();
      ++next.segments;
    }
    prune(batch, next, now_ms);
    std::string value;
    for (auto x : {next.records, next.bytes, next.segments, sequence})
      add_u64(value, x);
    batch.Put(rocksdb::Slice{totals_key}, value);
    if (auto status = db_->Write({}, &batch); !status.ok())
      return to_fault(status, options_.path);
    totals_ = next;
    sequence_ = sequence;
    return {};
  }

  result<std::vector<log_segment>> log(std::int64_t from_ms,
                                       std::size_t segments_max) const override {
    std::vector<log_segment> out;
    std::unique_ptr<rocksdb::Iterator> it{db_->NewIterator({})};
    for (it->Seek(log_key(from_ms, 0, 0)); is_log(*it) && out.size() < segments_max; it->Next())
      out.push_back({static_cast<std::int64_t>(read_u64(it->key(), 1)), read_u64(it->key(), 17),
                     read_u64(it->value(), 0), it->value().ToString().substr(8)});
    if (!it->status().ok())
      return to_fault(it->status(), options_.path);
    return out;
  }

  log_totals totals() const override { return totals_; }

private:
  static bool is_log(const rocksdb::Iterator& it) {
    return it.Valid() && it.key().size() == log_key_bytes && it.key()[0] == log_tag
           && it.value().size() >= 8;
  }

  /// Erases the oldest stored segments. Those of this batch stay, whatever their age.
  void prune(rocksdb::WriteBatch& batch, log_totals& next, std::int64_t now_ms) const {
    auto oldest_ms = now_ms - options_.history_age_max.count();
    std::unique_ptr<rocksdb::Iterator> it;
    for (;;) {
      if (!it) {
        // An iterator over the oldest end costs a seek: only look when there can be something to
        // do.
        if (next.bytes <= options_.history_bytes_max && now_ms < next_age_check_ms_)
          return;
        next_age_check_ms_ = now_ms + 60'000;
        it.reset(db_->NewIterator({}));
        it->Seek(rocksdb::Slice{&log_tag, 1});
      }
      if (!is_log(*it))
        return;
      auto start_ms = static_cast<std::int64_t>(read_u64(it->key(), 1));
      if (next.bytes <= options_.history_bytes_max && start_ms >= oldest_ms)
        return;
      batch.Delete(it->key());
      next.records -= std::min(next.records, read_u64(it->value(), 0));
      next.bytes -= std::min<std::uint64_t>(next.bytes, it->value().size());
      next.segments -= std::min<std::uint64_t>(next.segments, 1);
      it->Next();
    }
  }

  result<void> done(const rocksdb::Status& status) const {
    if (!status.ok())
      return to_fault(status, options_.path);
    return {};
  }

  std::unique_ptr<rocksdb::DB> db_;
  agent_store_options options_;
  log_totals totals_;
  std::uint64_t sequence_ = 0;
  mutable std::int64_t next_age_check_ms_ = 0;
};

/// A small database beside a data plane: memory and files are bounded.
rocksdb::Options database_options() {
  rocksdb::Options out;
  out.create_if_missing = true;
  out.write_buffer_size = 8u << 20;
  out.max_write_buffer_number = 2;
  out.max_open_files = 64;
  out.max_background_jobs = 2;
  out.keep_log_file_num = 2;
  out.max_log_file_size = 1u << 20;
  return out;
}

/// Takes the database.
result<std::unique_ptr<agent_store>> recovered(rocksdb::DB* raw, agent_store_options options) {
  auto opened =
      std::make_unique<rocks_agent_store>(std::unique_ptr<rocksdb::DB>{raw}, std::move(options));
  if (auto ok = opened->recover(); !ok)
    return ok.error();
  return std::unique_ptr<agent_store>{std::move(opened)};
}

} // namespace

result<std::unique_ptr<agent_store>> open_agent_store(agent_store_options options) {
  namespace fs = std::filesystem;
  std::error_code ec;
  fs::create_directories(options.path, ec);
  if (!ec)
    fs::permissions(options.path, fs::perms::owner_all, ec);
  if (ec)
    return fault{errc::storage, fmt::format("cannot create {}: {}", options.path, ec.message())};
  rocksdb::DB* raw = nullptr;
  auto status = rocksdb::DB::Open(database_options(), options.path, &raw);
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos)
    return fault{errc::busy, fmt::format("another agent uses {}", options.path)};
  if (!status.ok())
    return to_fault(status, options.path);
  return recovered(raw, std::move(options));
}

result<std::unique_ptr<agent_store>> read_agent_store(const std::string& path) {
  auto options = database_options();
  options.create_if_missing = false;
  rocksdb::DB* raw = nullptr;
  if (auto status = rocksdb::DB::OpenForReadOnly(options, path, &raw); !status.ok())
    return to_fault(status, path);
  return recovered(raw, {.path = path});
}

} // namespace foreshift
