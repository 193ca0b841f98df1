// SPDX-License-Identifier: Apache-2.0
#include "core/store/request.hpp"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

namespace foreshift {

namespace {

// Layout: "m/revision", "m/token" -> 8 bytes; "r/" + key -> 8 bytes revision, then the value.
// Numbers are little endian. Persistent.
constexpr std::string_view record_prefix = "r/";
constexpr std::string_view revision_key = "m/revision";
constexpr std::string_view token_key = "m/token";
constexpr std::size_t number_bytes = 8;

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

std::string record_key(std::string_view key) {
  return std::string{record_prefix}.append(key);
}

std::string encode_number(std::uint64_t x) {
  std::string out(number_bytes, '\0');
  for (std::size_t i = 0; i < number_bytes; ++i)
    out[i] = static_cast<char>(x >> (8 * i));
  return out;
}

std::uint64_t decode_number(const char* bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < number_bytes; ++i)
    out |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return out;
}

fault failed(std::string_view doing, const rocksdb::Status& status) {
  auto why = status.ToString();
  // RocksDB has no code of its own for a directory that is taken.
  bool taken =
      why.find("lock file") != std::string::npos || why.find("lock hold") != std::string::npos;
  return {taken                   ? errc::busy
          : status.IsCorruption() ? errc::corrupt
                                  : errc::storage,
          "store: " + std::string{doing} + ": " + why};
}

rocksdb::Options make_options() {
  rocksdb::Options out;
  out.create_if_missing = true;
  // A torn last record is an unanswered transaction; any other damage must not pass as history.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  out.write_buffer_size = 4u << 20;
  out.keep_log_file_num = 2;
  out.max_log_file_size = 1u << 20;
  return out;
}

class embedded_store final : public store {
public:
  static result<std::unique_ptr<store>> open(const std::string& path) {
    rocksdb::DB* raw = nullptr;
    auto status = rocksdb::DB::Open(make_options(), path, &raw);
    if (!status.ok())
      return failed("cannot open '" + path + "'", status);
    auto made = std::unique_ptr<embedded_store>(new embedded_store(raw));
    if (auto ok = made->start(); !ok)
      return ok.error();
    return std::unique_ptr<store>{std::move(made)};
  }

  result<std::uint64_t> txn(std::span<const compare> compares,
                            std::span<const store_op> ops) override {
    if (auto ok = check_request(compares, ops); !ok)
      return ok.error();
    std::lock_guard guard{mutex_};
    for (const auto& wanted : compares) {
      auto revision = revision_of(wanted.key);
      if (!revision)
        return revision.error();
      if (*revision != wanted.revision)
        return compare_failed(wanted, *revision);
    }
    if (ops.empty())
      return revision_;
    // Spent also when the write fails: its outcome is unknown then, and no two transactions may
    // share a revision.
    auto header = encode_number(++revision_);
    rocksdb::WriteBatch batch;
    batch.Put(slice(revision_key), header);
    for (const auto& op : ops)
      if (op.value)
        batch.Put(record_key(op.key), header + *op.value);
      else
        batch.Delete(record_key(op.key));
    if (auto ok = write(batch); !ok)
      return ok.error();
    return revision_;
  }

  result<std::vector<stored>> range(std::string_view prefix) const override {
    std::vector<stored> out;
    auto from = record_key(prefix);
    std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator({})};
    for (at->Seek(from); at->Valid() && at->key().starts_with(from); at->Next()) {
      auto key = at->key().ToString().substr(record_prefix.size());
      if (at->value().size() < number_bytes)
        return fault{errc::corrupt, "store: record '" + key + "' is too short"};
      auto value = at->value();
      auto revision = decode_number(value.data());
      value.remove_prefix(number_bytes);
      out.push_back({std::move(key), value.ToString(), revision});
    }
    if (!at->status().ok())
      return failed("cannot read", at->status());
    return out;
  }

  std::uint64_t token() const override { return token_; }

private:
  explicit embedded_store(rocksdb::DB* db) : db_(db) {}

  /// Reads the counters and takes the next token, durably, before anybody sees it.
  result<void> start() {
    for (auto [key, number] : {std::pair{revision_key, &revision_}, {token_key, &token_}}) {
      auto got = read_number(slice(key));
      if (!got)
        return got.error();
      *number = *got;
    }
    rocksdb::WriteBatch batch;
    batch.Put(slice(token_key), encode_number(++token_));
    return write(batch);
  }

  result<void> write(rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto status = db_->Write(synced, &batch);
    if (!status.ok())
      return failed("cannot write", status);
    return {};
  }

  result<std::uint64_t> revision_of(std::string_view key) const {
    return read_number(record_key(key));
  }

  /// The number a value begins with; 0 when the key does not exist.
  result<std::uint64_t> read_number(const rocksdb::Slice& key) const {
    rocksdb::PinnableSlice value;
    auto status = db_->Get({}, db_->DefaultColumnFamily(), key, &value);
    if (status.IsNotFound())
      return std::uint64_t{0};
    if (!status.ok())
      return failed("cannot read", status);
    if (value.size() < number_bytes)
      return fault{errc::corrupt, "store: record '" + key.ToString() + "' is too short"};
    return decode_number(value.data());
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::mutex mutex_; ///< Orders transactions.
  std::uint64_t revision_ = 0;
  std::uint64_t token_ = 0;
};

result<void> make_directory(const std::string& path) {
  std::error_code why;
  auto parent = std::filesystem::path{path}.parent_path();
  if (!parent.empty())
    std::filesystem::create_directories(parent, why);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fault{errc::storage, "store: cannot create '" + path + "': " + std::strerror(errno)};
  if (!std::filesystem::is_directory(path, why))
    return fault{errc::storage, "store: '" + path + "' is not a directory"};
  return {};
}

} // namespace

result<std::unique_ptr<store>> open_embedded_store(const std::string& path) {
  if (auto ok = make_directory(path); !ok)
    return ok.error();
  return embedded_store::open(path);
}

} // namespace foreshift
