// SPDX-License-Identifier: Apache-2.0
// What a machine's power loss leaves of the extent database.
#include "core/extent/extent_records.hpp"
#include "tests/unit/extent/fixture.hpp"

#include <rocksdb/env.h>

#include <map>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Remembers how much of each file was synced; `lose_power` cuts off the rest.
class volatile_env final : public rocksdb::EnvWrapper {
public:
  volatile_env() : EnvWrapper(rocksdb::Env::Default()) {}

  rocksdb::Status NewWritableFile(const std::string& path,
                                  std::unique_ptr<rocksdb::WritableFile>* out,
                                  const rocksdb::EnvOptions& how) override {
    std::unique_ptr<rocksdb::WritableFile> under;
    auto done = target()->NewWritableFile(path, &under, how);
    if (done.ok())
      out->reset(new file{*this, path, std::move(under)});
    return done;
  }

  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override {
    if (auto at = synced_.extract(from); !at.empty()) {
      at.key() = to;
      synced_.erase(to);
      synced_.insert(std::move(at));
    }
    return target()->RenameFile(from, to);
  }

  void lose_power() const {
    for (const auto& [path, bytes] : synced_)
      if (std::filesystem::exists(path))
        std::filesystem::resize_file(path, bytes);
  }

private:
  class file final : public rocksdb::WritableFileWrapper {
  public:
    file(volatile_env& env, std::string path, std::unique_ptr<rocksdb::WritableFile> under)
        : WritableFileWrapper(under.get()), env_(env), path_(std::move(path)),
          under_(std::move(under)) {
      env_.synced_[path_] = 0;
    }
    rocksdb::Status Sync() override { return noted(under_->Sync()); }
    rocksdb::Status Fsync() override { return noted(under_->Fsync()); }
    bool IsSyncThreadSafe() const override { return true; }

  private:
    rocksdb::Status noted(rocksdb::Status done) {
      if (done.ok())
        env_.synced_[path_] = std::filesystem::file_size(path_);
      return done;
    }

    volatile_env& env_;
    const std::string path_;
    const std::unique_ptr<rocksdb::WritableFile> under_;
  };

  std::map<std::string, std::uint64_t> synced_;
};

} // namespace

TEST_CASE("power: a sync also covers the records of a former process") {
  temp_directory directory;
  volatile_env env;
  {
    auto records = *extent_records::open(directory / "db", &env);
    REQUIRE(records->put_extent(7, 5, {extent_record::kind::present, 0}));
  }
  {
    auto records = *extent_records::open(directory / "db", &env);
    REQUIRE(records->extent(7, 5)->has_value());
    REQUIRE(records->put_extent(7, 6, {extent_record::kind::present, 0}));
    REQUIRE(records->sync());
  }
  env.lose_power();
  auto records = *extent_records::open(directory / "db", &env);
  CHECK(records->extent(7, 6)->has_value());
  CHECK(records->extent(7, 5)->has_value());
}
