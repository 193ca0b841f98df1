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
  auto read = disk.volume->read(first_epoch, at(2, 3 * 4096), std::span(out).first(4096));
  CHECK(detail_of(read) == detail_of(got));
  CHECK(code_of(disk.volume->read(first_epoch, at(2, 3 * 4096 + 4000), std::span(out).first(9)))
        == errc::corrupt); // the flipped byte is not even asked for
  CHECK(code_of(disk.volume->read(first_epoch, at(2, 100), out)) == errc::corrupt);
  CHECK(disk.volume->read(first_epoch, at(2, 4 * 4096), std::span(out).first(5000)));
  CHECK(disk.volume->corrupt_extents() == roaring::Roaring::bitmapOf(1, 2u));
  bytes other(3 * 4096);
  CHECK(disk.volume->read_verified(at(2), other));
  auto partial = disk.volume->write(first_epoch, at(2, 3 * 4096 + 100), noise(10, 2));
  CHECK(code_of(partial) == errc::corrupt);
  CHECK(disk.volume->write(first_epoch, at(2, 3 * 4096), noise(4096, 3))); // whole: heals
  CHECK(disk.volume->read_verified(at(2), out));
  CHECK(*disk.volume->check(2) == extent_size);
  CHECK(disk.volume->corrupt_extents().isEmpty());
}

TEST_CASE("damage: bytes that appear in a hole are corruption too") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, at(0), noise(4096, 1)));
  flip_byte(disk.data_file(), at(0, 5 * 4096));
  bytes out(extent_size);
  CHECK(code_of(disk.volume->read_verified(at(0), out)) == errc::corrupt);
}

TEST_CASE("damage: what a truncated or missing file held is corrupt, never zeroes, until written") {
  enum class harm { data_cut, sums_cut, both_cut, data_gone, sums_gone, both_gone };
  for (auto how : {harm::data_cut, harm::sums_cut, harm::both_cut, harm::data_gone, harm::sums_gone,
                   harm::both_gone}) {
    CAPTURE(static_cast<int>(how));
    disk_fixture disk(all_home());
    REQUIRE(disk.volume->write(first_epoch, at(0), noise(extent_size, 1)));
    REQUIRE(disk.volume->write(first_epoch, at(40), noise(extent_size, 2)));
    disk.close();
    auto sums = disk.directory / "data/volumes/7/0000.crc";
    if (how == harm::data_cut || how == harm::both_cut)
      std::filesystem::resize_file(disk.data_file(), at(20));
    if (how == harm::sums_cut || how == harm::both_cut)
      std::filesystem::resize_file(sums, at(20) / 1024 + 2);
    if (how == harm::data_gone || how == harm::both_gone)
      std::filesystem::remove(disk.data_file());
    if (how == harm::sums_gone || how == harm::both_gone)
      std::filesystem::remove(sums);
    bytes out(extent_size);
    for (int round = 0; round < 2; ++round) {
      disk.open();
      auto got = disk.volume->read(first_epoch, at(40), out);
      CHECK(code_of(got) == errc::corrupt);
      CHECK(has(detail_of(got), disk.data_file()));
      CHECK(code_of(disk.volume->read_verified(at(40), out)) == errc::corrupt);
      bool cut = how <= harm::both_cut;
      CHECK(code_of(disk.volume->read(first_epoch, at(0), out))
            == (cut ? errc::ok : errc::corrupt));
      CHECK(disk.volume->corrupt_extents().contains(40));
      disk.close();
    }
    disk.open();
    CHECK(read_all(*disk.volume, at(50), 4096) == filled(4096, 0)); // never written
    REQUIRE(disk.volume->write(first_epoch, at(40), noise(extent_size, 3)));
    CHECK(read_all(*disk.volume, at(40), extent_size) == noise(extent_size, 3));
  }
}

TEST_CASE(
    "damage: a file cut while it is open is corrupt there, and no write papers over the gap") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, at(30), noise(4096, 1)));
  REQUIRE(disk.volume->write(first_epoch, at(40), noise(4096, 1)));
  std::filesystem::resize_file(disk.data_file(), at(20));
  REQUIRE(disk.volume->write(first_epoch, at(40), noise(4096, 2)));
  bytes out(4096);
  CHECK(code_of(disk.volume->read(first_epoch, at(30), out)) == errc::corrupt);
  CHECK(read_all(*disk.volume, at(40), 4096) == noise(4096, 2));
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
