// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/extent/fixture.hpp"

#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

using namespace foreshift;
using namespace foreshift::test;

namespace {

void flip_byte(const std::string& path, std::uint64_t offset) {
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  unsigned char byte = 0;
  REQUIRE(::pread(fd, &byte, 1, static_cast<off_t>(offset)) == 1);
  byte ^= 0x10;
  REQUIRE(::pwrite(fd, &byte, 1, static_cast<off_t>(offset)) == 1);
  ::close(fd);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("damage: a flipped byte is found by a verified read, named, and not hidden by writes") {
  disk_fixture disk(all_home());
  auto in = noise(extent_size, 1);
  REQUIRE(disk.volume->write(first_epoch, at(2), in));
  flip_byte(disk.data_file(), at(2, 3 * 4096 + 17));
  bytes out(extent_size);
  auto got = disk.volume->read_verified(at(2), out);
  CHECK(code_of(got) == errc::corrupt);
  CHECK(has(detail_of(got), disk.data_file()));
  CHECK(has(detail_of(got), "extent 2, block 35 "));
  CHECK(disk.volume->corrupt_blocks() == 1);
  bytes other(3 * 4096);
  CHECK(disk.volume->read_verified(at(2), other));
  auto partial = disk.volume->write(first_epoch, at(2, 3 * 4096 + 100), noise(10, 2));
  CHECK(code_of(partial) == errc::corrupt);
  CHECK(disk.volume->write(first_epoch, at(2, 3 * 4096), noise(4096, 3))); // whole: heals
  CHECK(disk.volume->read_verified(at(2), out));
}

TEST_CASE("damage: bytes that appear in a hole are corruption too") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, at(0), noise(4096, 1)));
  flip_byte(disk.data_file(), at(0, 5 * 4096));
  bytes out(extent_size);
  CHECK(code_of(disk.volume->read_verified(at(0), out)) == errc::corrupt);
}

TEST_CASE("damage: a truncated file is named by reads, and writes do not paper over the gap") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, at(0), noise(4096, 1)));
  REQUIRE(disk.volume->write(first_epoch, at(40), noise(4096, 1)));
  std::filesystem::resize_file(disk.data_file(), at(20));
  bytes out(4096);
  for (int round = 0; round < 2; ++round) { // while it is open, and found at the next start
    auto got = disk.volume->read(first_epoch, at(40), out);
    CHECK(code_of(got) == errc::corrupt);
    CHECK(has(detail_of(got), disk.data_file() + " is truncated"));
    CHECK(code_of(disk.volume->read_verified(at(40), out)) == errc::corrupt);
    CHECK(code_of(disk.volume->write(first_epoch, at(50), noise(4096, 2))) == errc::corrupt);
    CHECK(read_all(*disk.volume, at(0), 4096) == noise(4096, 1));
    disk.reopen();
  }
  CHECK(std::filesystem::file_size(disk.data_file()) == at(20));
}

TEST_CASE("damage: a missing data file or a short checksum file stops the volume and is named") {
  for (const std::string name : {"0000.extents", "0000.crc"}) {
    CAPTURE(name);
    disk_fixture disk(all_home());
    REQUIRE(disk.volume->write(first_epoch, at(0), noise(4096, 1)));
    disk.close();
    auto path = disk.directory / ("data/volumes/7/" + name);
    if (name == "0000.crc")
      std::filesystem::resize_file(path, 100);
    else
      std::filesystem::remove(path);
    auto store = extent_store::open({disk.directory / "data", 0});
    REQUIRE(store);
    auto got = (*store)->volume(all_home());
    CHECK(code_of(got) == errc::corrupt);
    CHECK(has(detail_of(got), path));
  }
}

TEST_CASE(
    "damage: a full disk is no_space, hurts no acknowledged data, and ends when space is freed") {
  temp_directory directory;
  auto mounted = ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=32m");
  if (mounted != 0) {
    MESSAGE("skipped: mounting a small file system needs root: " << std::strerror(errno));
    return;
  }
  {
    auto store = *extent_store::open({directory / "data", 0});
    auto volume = *store->volume(all_home(64 * mib));
    REQUIRE(volume->promote(1, "host-a"));
    std::uint64_t stored = 0;
    result<void> last;
    const auto piece = 60 * kib; // never a whole extent
    while (stored < 64 * mib - piece && last) {
      last = volume->write(first_epoch, stored, noise(piece, stored + 1));
      stored += last ? piece : 0;
    }
    CHECK(code_of(last) == errc::no_space);
    REQUIRE(stored > 8 * mib);
    std::vector<std::uint32_t> all;
    for (std::uint32_t extent = 0; extent <= stored / extent_size; ++extent)
      all.push_back(extent);
    bytes out(extent_size);
    for (auto extent : all) // also the extent that the last write half filled
      CHECK(volume->read_verified(at(extent), out));
    for (std::uint64_t offset = 0; offset < stored; offset += piece)
      REQUIRE(read_all(*volume, offset, piece) == noise(piece, offset + 1));
    CHECK(volume->zero(first_epoch, 0, 4 * mib));
    auto again = volume->write(first_epoch, 40 * mib, noise(1 * mib, 5));
    CHECK_MESSAGE(again, detail_of(again));
    CHECK(volume->flush(first_epoch));
    CHECK(volume->promote(2, "host-b"));
    CHECK(read_all(*volume, 40 * mib, 1 * mib, {2, 0}) == noise(1 * mib, 5));
  }
  CHECK(::umount(directory.path().c_str()) == 0);
}
