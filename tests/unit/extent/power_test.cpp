// SPDX-License-Identifier: Apache-2.0
// What a machine's power loss leaves of the extent database, and of trust in a replica.
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

  bool fails = false; ///< Every sync, from now on.
  bool full = false;

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
    rocksdb::Status Sync() override { return asked(&rocksdb::WritableFile::Sync); }
    rocksdb::Status Fsync() override { return asked(&rocksdb::WritableFile::Fsync); }
    rocksdb::Status Append(const rocksdb::Slice& data) override {
      if (env_.full)
        return rocksdb::Status::NoSpace("the disk is full");
      return under_->Append(data);
    }
    bool IsSyncThreadSafe() const override { return true; }

  private:
    rocksdb::Status asked(rocksdb::Status (rocksdb::WritableFile::*sync)()) {
      if (env_.fails)
        return rocksdb::Status::IOError("the disk said no");
      auto done = (under_.get()->*sync)();
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

TEST_CASE(
    "power: what was changed before the machine restarted is doubted until somebody decides") {
  disk_fixture disk(even_home());
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(block_bytes, 1)));
  disk.reopen(); // a restart of the process alone
  CHECK(disk.volume->doubt() == 0);
  CHECK(read_all(*disk.volume, at(2), block_bytes) == noise(block_bytes, 1));
  disk.disk.boot = "second";
  disk.reopen();
  auto doubt = disk.volume->doubt();
  REQUIRE(doubt != 0);
  bytes out(block_bytes);
  std::vector<std::uint32_t> some{2, 4};
  auto& volume = *disk.volume;
  for (auto extent : some) { // also one that may have been written although no record says so
    CHECK(code_of(volume.read(first_epoch, at(extent), out)) == errc::storage);
    CHECK(code_of(volume.write(first_epoch, at(extent), out)) == errc::storage);
    CHECK(code_of(volume.zero(first_epoch, at(extent), block_bytes)) == errc::storage);
    CHECK(code_of(volume.read_verified(at(extent), out)) == errc::storage);
  }
  CHECK(code_of(volume.flush(first_epoch)) == errc::storage);
  CHECK(code_of(volume.digests(some)) == errc::storage);
  CHECK(code_of(volume.block_hashes(some)) == errc::storage);
  CHECK(code_of(volume.stage_resync(9, some)) == errc::storage);
  CHECK(code_of(volume.commit(9, some)) == errc::storage);
  disk.reopen();
  CHECK(disk.volume->doubt() == doubt);
  CHECK(code_of(disk.volume->trust(doubt + 1)) == errc::refused);
  REQUIRE(disk.volume->trust(doubt));
  CHECK(disk.volume->trust(doubt));
  CHECK(read_all(*disk.volume, at(2), block_bytes) == noise(block_bytes, 1));
  disk.reopen();
  CHECK(disk.volume->doubt() == 0);
}

TEST_CASE("power: a volume that was not changed since the machine started is not doubted") {
  disk_fixture disk(even_home());
  disk.disk.boot = "second";
  disk.reopen();
  CHECK(disk.volume->doubt() == 0);
  REQUIRE(disk.volume->zero(first_epoch, at(2), block_bytes)); // zeroes over zeroes are no change
  disk.disk.boot = "third";
  disk.reopen();
  CHECK(disk.volume->doubt() == 0);
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(block_bytes, 1)));
  disk.disk.boot = "fourth";
  disk.reopen();
  auto earlier = disk.volume->doubt();
  CHECK(earlier != 0);
  disk.disk.boot = "fifth";
  disk.reopen();
  CHECK(disk.volume->doubt() != 0);
  CHECK(code_of(disk.volume->trust(earlier)) == errc::refused);
  REQUIRE(disk.volume->trust(disk.volume->doubt()));
  disk.disk.boot = "sixth";
  disk.reopen();
  CHECK(disk.volume->doubt() == 0);
}

TEST_CASE("power: copies of a move count as changes of the volume") {
  disk_fixture disk(no_home());
  std::vector<std::uint32_t> some{3};
  REQUIRE(disk.volume->stage(5, some));
  REQUIRE(disk.volume->fill(5, 3, 0, noise(extent_size, 1)));
  REQUIRE(disk.volume->sync_staged(5));
  REQUIRE(disk.volume->commit(5, some));
  disk.disk.boot = "second";
  disk.reopen();
  REQUIRE(disk.volume->doubt() != 0);
  // The map leaves this host out, and what it has is the basis of its return.
  REQUIRE(disk.volume->trust(disk.volume->doubt()));
  REQUIRE(disk.volume->stage_resync(6, some));
  CHECK(disk.volume->doubt() == 0);
}

TEST_CASE("power: a database that met a full disk is opened anew, and nothing is doubted") {
  disk_fixture disk(even_home());
  disk.close();
  volatile_env env;
  disk.disk.database = &env;
  std::vector<errc> said;
  auto open = [&] {
    auto opened = extent_store::open({disk.directory / "data", 0, &disk.disk,
                                      [&](const fault& why) { said.push_back(why.code); }});
    REQUIRE(opened);
    disk.store = std::move(*opened);
    auto found = disk.store->volume(even_home());
    REQUIRE(found);
    disk.volume = std::move(*found);
  };
  open();
  REQUIRE(disk.volume->write(first_epoch, at(4), noise(block_bytes, 2)));
  env.full = true;
  CHECK(code_of(disk.volume->write(first_epoch, at(6), noise(block_bytes, 3))) == errc::no_space);
  // That log must not be synced; and the replica has not failed for good.
  CHECK(code_of(disk.volume->flush(first_epoch)) == errc::storage);
  CHECK(disk.volume->failure().empty());
  env.full = false;
  REQUIRE_FALSE(said.empty());
  CHECK(said[0] == errc::no_space);
  disk.close();
  said.clear();
  open();
  CHECK(disk.volume->doubt() == 0);
  CHECK(read_all(*disk.volume, at(4), block_bytes) == noise(block_bytes, 2));
  CHECK(disk.store->put("after", "it", true));
  CHECK(said.empty());
  disk.close(); // before its environment
}

TEST_CASE("power: a database that cannot sync says so once, and the next process trusts nothing") {
  disk_fixture disk(even_home());
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(block_bytes, 1)));
  disk.close();
  volatile_env env;
  disk.disk.database = &env;
  std::vector<std::string> said;
  auto open = [&] {
    auto opened = extent_store::open({disk.directory / "data", 0, &disk.disk,
                                      [&](const fault& why) { said.push_back(why.detail); }});
    REQUIRE(opened);
    disk.store = std::move(*opened);
    auto found = disk.store->volume(even_home());
    REQUIRE(found);
    disk.volume = std::move(*found);
  };
  open();
  REQUIRE(disk.volume->write(first_epoch, at(4), noise(block_bytes, 2)));
  REQUIRE(said.empty());
  env.fails = true;
  CHECK(code_of(disk.volume->flush(first_epoch)) == errc::storage);
  REQUIRE(said.size() == 1);
  CHECK(said[0].find("the disk said no") != std::string::npos);
  CHECK(code_of(disk.volume->promote(2, "host-b")) == errc::storage);
  CHECK(said.size() == 1);
  disk.close(); // the process ends
  env.fails = false;
  open();
  auto doubt = disk.volume->doubt();
  CHECK(doubt != 0);
  disk.close();
  open();
  CHECK(disk.volume->doubt() == doubt);
  REQUIRE(disk.volume->trust(doubt));
  REQUIRE(disk.volume->write(first_epoch, at(4), noise(block_bytes, 3)));
  REQUIRE(disk.volume->flush(first_epoch));
  disk.close();
  open();
  CHECK(disk.volume->doubt() == 0);
  CHECK(said.size() == 1);
  disk.close(); // before its environment
}
