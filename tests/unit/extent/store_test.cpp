// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/extent/fixture.hpp"

#include <sys/stat.h>

#include <fstream>

using namespace foreshift;
using namespace foreshift::test;

TEST_CASE("extent store: one process at a time has the directory") {
  disk_fixture disk(all_home());
  CHECK(code_of(extent_store::open({disk.directory / "data", 0})) == errc::busy);
  disk.close();
  CHECK(extent_store::open({disk.directory / "data", 0}));
}

TEST_CASE("extent store: a directory that cannot be is a storage fault that names it") {
  temp_directory directory;
  std::ofstream(directory / "file") << "x";
  auto got = extent_store::open({directory / "file", 0});
  CHECK(code_of(got) == errc::storage);
  CHECK(detail_of(got).find("/file") != std::string::npos);
}

TEST_CASE("extent store: nobody else may look into it") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, 0, noise(4096, 1)));
  auto mode = [](const std::string& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 0777;
  };
  CHECK(mode(disk.directory / "data") == 0700);
  CHECK(mode(disk.directory / "data/volumes/7") == 0700);
  CHECK(mode(disk.data_file()) == 0600);
  CHECK(mode(disk.directory / "data/volumes/7/0000.crc") == 0600);
}

TEST_CASE("extent store: forgetting a volume deletes all of it, and its former users are refused") {
  disk_fixture disk(even_home());
  std::vector<std::uint32_t> extents{1};
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(4096, 1)));
  REQUIRE(disk.volume->stage(40, extents));
  REQUIRE(disk.store->forget(7));
  CHECK(disk.store->forget(7));
  CHECK(disk.store->find(7) == nullptr);
  CHECK_FALSE(std::filesystem::exists(disk.directory / "data/volumes/7"));
  bytes out(4096);
  CHECK(code_of(disk.volume->read(first_epoch, at(2), out)) == errc::not_found);
  CHECK(code_of(disk.volume->promote(2, "host-b")) == errc::not_found);
  CHECK(code_of(disk.volume->stage(41, extents)) == errc::not_found);
  disk.reopen();
  CHECK(disk.volume->fence() == fence_state{});
  CHECK(disk.volume->inventory().present.isEmpty());
  CHECK(disk.volume->moves_staged().empty());
}

TEST_CASE("extent store: files of a volume without records are removed at the next start") {
  disk_fixture disk(all_home());
  disk.close();
  std::filesystem::create_directories(disk.directory / "data/volumes/99");
  std::ofstream(disk.directory / "data/volumes/99/0000.extents") << "left over";
  disk.open();
  CHECK_FALSE(std::filesystem::exists(disk.directory / "data/volumes/99"));
  CHECK(std::filesystem::exists(disk.directory / "data/volumes/7"));
}

TEST_CASE("extent store: small records are listed by prefix, apart from everything else") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, 0, noise(4096, 1)));
  REQUIRE(disk.store->put("spec/2", "two", true));
  REQUIRE(disk.store->put("spec/1", std::string("o\0ne", 4), false));
  REQUIRE(disk.store->put("lease/1", "x", false));
  REQUIRE(disk.store->put("spec/3", "three", false));
  REQUIRE(disk.store->erase("spec/3"));
  disk.reopen();
  using rows = std::vector<std::pair<std::string, std::string>>;
  CHECK(*disk.store->list("spec/") == rows{{"spec/1", std::string("o\0ne", 4)}, {"spec/2", "two"}});
  CHECK(disk.store->list("")->size() == 3);
  CHECK(disk.store->list("none")->empty());
}
