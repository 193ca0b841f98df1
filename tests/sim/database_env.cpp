// SPDX-License-Identifier: Apache-2.0
// RocksDB's environment on a simulated machine.
#include "tests/sim/disk.hpp"

#include <rocksdb/env.h>

#include <algorithm>
#include <cstring>

namespace foreshift::sim {

namespace {

using rocksdb::EnvOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr std::int64_t sync_ns_max = 400 * us;

std::span<const std::byte> bytes_of(const Slice& x) {
  return {reinterpret_cast<const std::byte*>(x.data()), x.size()};
}

class reader final : public rocksdb::SequentialFile, public rocksdb::RandomAccessFile {
public:
  explicit reader(std::shared_ptr<inode> node) : node_(std::move(node)) {}

  Status Read(std::size_t n, Slice* out, char* scratch) override {
    auto done = Read(at_, n, out, scratch);
    at_ += out->size();
    return done;
  }
  Status Skip(std::uint64_t n) override {
    at_ += n;
    return Status::OK();
  }
  Status Read(std::uint64_t offset, std::size_t n, Slice* out, char* scratch) const override {
    auto from = std::min<std::uint64_t>(offset, node_->size);
    n = std::min<std::uint64_t>(n, node_->size - from);
    std::memcpy(scratch, node_->data() + from, n);
    *out = Slice(scratch, n);
    return Status::OK();
  }
  Status InvalidateCache(std::size_t, std::size_t) override { return Status::OK(); }

private:
  const std::shared_ptr<inode> node_;
  std::uint64_t at_ = 0;
};

class writer final : public rocksdb::WritableFile {
public:
  writer(sim_disk& disk, std::shared_ptr<inode> node) : disk_(disk), node_(std::move(node)) {}

  using rocksdb::WritableFile::Append;
  Status Append(const Slice& x) override {
    if (disk_.faults.full) {
      disk_.note_fault(count::writes_refused, "database");
      return Status::NoSpace();
    }
    if (disk_.fails(disk_.faults.write_fails, count::writes_failed, "database"))
      return Status::IOError("write");
    node_->write(node_->size, bytes_of(x));
    return Status::OK();
  }
  Status Truncate(std::uint64_t size) override {
    node_->resize(size);
    return Status::OK();
  }
  Status Close() override { return Status::OK(); }
  bool IsSyncThreadSafe() const override { return true; }
  Status Flush() override { return Status::OK(); }
  Status Sync() override {
    kernel::sleep(static_cast<std::int64_t>(kernel::random(sync_ns_max)));
    if (disk_.fails(disk_.faults.sync_fails, count::syncs_failed, "database")) {
      node_->forget_unsynced();
      return Status::IOError("sync");
    }
    node_->sync();
    return Status::OK();
  }
  std::uint64_t GetFileSize() override { return node_->size; }

private:
  sim_disk& disk_;
  const std::shared_ptr<inode> node_;
};

class directory final : public rocksdb::Directory {
public:
  Status Fsync() override { return Status::OK(); }
};

class silent_logger final : public rocksdb::Logger {
public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
  std::size_t GetLogFileSize() const override { return 0; }
};

class file_lock final : public rocksdb::FileLock {};

class database_env final : public rocksdb::EnvWrapper {
public:
  explicit database_env(sim_disk& disk) : EnvWrapper(rocksdb::Env::Default()), disk_(disk) {}

  const char* Name() const override { return "simulated"; }

  Status NewSequentialFile(const std::string& path, std::unique_ptr<rocksdb::SequentialFile>* out,
                           const EnvOptions&) override {
    return open(path, [&](auto node) { out->reset(new reader{node}); });
  }
  Status NewRandomAccessFile(const std::string& path,
                             std::unique_ptr<rocksdb::RandomAccessFile>* out,
                             const EnvOptions&) override {
    return open(path, [&](auto node) { out->reset(new reader{node}); });
  }
  Status NewWritableFile(const std::string& path, std::unique_ptr<rocksdb::WritableFile>* out,
                         const EnvOptions&) override {
    auto node = std::make_shared<inode>();
    disk_.files[path] = node;
    out->reset(new writer{disk_, node});
    return Status::OK();
  }
  Status ReopenWritableFile(const std::string& path, std::unique_ptr<rocksdb::WritableFile>* out,
                            const EnvOptions&) override {
    auto& node = disk_.files[path];
    if (!node)
      node = std::make_shared<inode>();
    out->reset(new writer{disk_, node});
    return Status::OK();
  }
  Status ReuseWritableFile(const std::string& path, const std::string& old,
                           std::unique_ptr<rocksdb::WritableFile>* out,
                           const EnvOptions& how) override {
    DeleteFile(old);
    return NewWritableFile(path, out, how);
  }
  Status NewDirectory(const std::string&, std::unique_ptr<rocksdb::Directory>* out) override {
    out->reset(new directory);
    return Status::OK();
  }
  Status FileExists(const std::string& path) override {
    bool there = disk_.files.contains(path) || disk_.directories.contains(path);
    return there ? Status::OK() : Status::NotFound(path);
  }
  Status GetChildren(const std::string& path, std::vector<std::string>* out) override {
    auto names = disk_.list(path.ends_with('/') ? path.substr(0, path.size() - 1) : path);
    if (!names)
      return Status::NotFound(path);
    *out = *std::move(names);
    return Status::OK();
  }
  Status DeleteFile(const std::string& path) override {
    return disk_.files.erase(path) == 1 ? Status::OK() : Status::PathNotFound();
  }
  Status CreateDir(const std::string& path) override {
    return disk_.make_directory(path) ? Status::OK() : Status::IOError();
  }
  Status CreateDirIfMissing(const std::string& path) override { return CreateDir(path); }
  Status DeleteDir(const std::string& path) override {
    disk_.directories.erase(path);
    return Status::OK();
  }
  Status GetFileSize(const std::string& path, std::uint64_t* out) override {
    return open(path, [&](auto node) { *out = node->size; });
  }
  Status GetFileModificationTime(const std::string&, std::uint64_t* out) override {
    *out = 0;
    return Status::OK();
  }
  Status RenameFile(const std::string& from, const std::string& to) override {
    return open(from, [&](auto node) {
      disk_.files[to] = node;
      disk_.files.erase(from);
    });
  }
  Status LockFile(const std::string&, rocksdb::FileLock** out) override {
    *out = new file_lock;
    return Status::OK();
  }
  Status UnlockFile(rocksdb::FileLock* lock) override {
    delete static_cast<file_lock*>(lock);
    return Status::OK();
  }
  Status IsDirectory(const std::string& path, bool* out) override {
    *out = disk_.directories.contains(path);
    return Status::OK();
  }
  Status GetAbsolutePath(const std::string& path, std::string* out) override {
    *out = path;
    return Status::OK();
  }
  Status NewLogger(const std::string&, std::shared_ptr<rocksdb::Logger>* out) override {
    *out = std::make_shared<silent_logger>();
    return Status::OK();
  }

  void Schedule(void (*run)(void*), void* argument, Priority, void*, void (*)(void*)) override {
    kernel::spawn(kernel::current(), [run, argument] { run(argument); });
  }
  int UnSchedule(void*, Priority) override { return 0; }
  void StartThread(void (*run)(void*), void* argument) override {
    kernel::spawn(kernel::current(), [run, argument] { run(argument); });
  }

private:
  template <class F>
  Status open(const std::string& path, F use) {
    auto at = disk_.files.find(path);
    if (at == disk_.files.end())
      return Status::PathNotFound(path);
    use(at->second);
    return Status::OK();
  }

  sim_disk& disk_;
};

} // namespace

std::unique_ptr<rocksdb::Env> make_database_env(sim_disk& disk) {
  return std::make_unique<database_env>(disk);
}

} // namespace foreshift::sim
