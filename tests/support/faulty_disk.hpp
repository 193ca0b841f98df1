// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/disk.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace foreshift::test {

/// The machine's disk, with faults where a test wants them.
class faulty_disk final : public disk_io {
public:
  /// Asked before every read, write, sync, allocate and punch of a file; a fault is the outcome.
  std::function<std::optional<fault>(std::string_view what, const std::string& path)> fails;
  std::string boot = "first";
  std::size_t write_bytes_max = ~std::size_t{0}; ///< A longer write is a short one.
  rocksdb::Env* database = nullptr;              ///< Null: RocksDB's own.

  result<std::unique_ptr<disk_file>> open(const std::string& path, open_mode how) override {
    auto file = under_.open(path, how);
    if (!file)
      return file;
    return std::unique_ptr<disk_file>(std::make_unique<faulty_file>(*this, path, std::move(*file)));
  }
  result<std::unique_ptr<disk_file>> lock(const std::string& path) override {
    return under_.lock(path);
  }
  result<void> make_directory(const std::string& path) override {
    return under_.make_directory(path);
  }
  result<void> sync_directory(const std::string& path) override {
    return under_.sync_directory(path);
  }
  result<void> remove_tree(const std::string& path) override { return under_.remove_tree(path); }
  result<std::vector<std::string>> list(const std::string& path) const override {
    return under_.list(path);
  }
  result<file_system_space> space(const std::string& path) const override {
    return under_.space(path);
  }
  result<std::string> boot_id() const override { return boot; }
  rocksdb::Env* database_env() override { return database; }

private:
  class faulty_file final : public disk_file {
  public:
    faulty_file(faulty_disk& disk, std::string path, std::unique_ptr<disk_file> under)
        : disk_(disk), path_(std::move(path)), under_(std::move(under)) {}

    result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override {
      if (auto why = asked("read"))
        return *why;
      return under_->read(offset, out);
    }
    result<std::size_t> read_medium(std::uint64_t offset, std::span<std::byte> out) const override {
      if (auto why = asked("read"))
        return *why;
      return under_->read_medium(offset, out);
    }
    result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> in) override {
      if (auto why = asked("write"))
        return *why;
      return under_->write(offset, in.first(std::min(in.size(), disk_.write_bytes_max)));
    }
    result<void> sync() override {
      if (auto why = asked("sync"))
        return *why;
      return under_->sync();
    }
    result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
      if (auto why = asked("allocate"))
        return *why;
      return under_->allocate(offset, length);
    }
    result<bool> punch(std::uint64_t offset, std::uint64_t length) override {
      if (auto why = asked("punch"))
        return *why;
      return under_->punch(offset, length);
    }
    result<void> resize(std::uint64_t size_bytes) override { return under_->resize(size_bytes); }
    result<std::uint64_t> size() const override { return under_->size(); }
    result<std::uint64_t> allocated_bytes() const override { return under_->allocated_bytes(); }
    result<std::optional<std::uint64_t>> next_data(std::uint64_t offset) const override {
      return under_->next_data(offset);
    }
    result<std::span<std::byte>> map(std::uint64_t size_bytes) override {
      return under_->map(size_bytes);
    }

  private:
    std::optional<fault> asked(std::string_view what) const {
      return disk_.fails ? disk_.fails(what, path_) : std::nullopt;
    }

    faulty_disk& disk_;
    const std::string path_;
    const std::unique_ptr<disk_file> under_;
  };

  disk_io& under_ = real_disk();
};

} // namespace foreshift::test
