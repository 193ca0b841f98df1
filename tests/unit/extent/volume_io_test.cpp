// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/extent/fixture.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>

using namespace foreshift;
using namespace foreshift::test;

TEST_CASE("volume io: an absent extent reads as zeroes at its home and is refused elsewhere") {
  disk_fixture disk(even_home());
  auto before = disk.volume->bytes_present();
  CHECK(read_all(*disk.volume, at(2), 4 * kib) == filled(4 * kib, 0));
  bytes out(4 * kib);
  CHECK(code_of(disk.volume->read(first_epoch, at(3), out)) == errc::refused);
  CHECK(code_of(disk.volume->write(first_epoch, at(3), out)) == errc::refused);
  CHECK(code_of(disk.volume->zero(first_epoch, at(3), 4 * kib)) == errc::refused);
  CHECK(code_of(disk.volume->read_verified(at(3), out)) == errc::refused);
  bytes across(8 * kib);
  CHECK(code_of(disk.volume->read(first_epoch, at(2, 60 * kib), across)) == errc::refused);
  CHECK(disk.volume->inventory().present.isEmpty());
  CHECK(disk.volume->bytes_present() == before);
}

TEST_CASE("volume io: any mix of reads, writes and zeroes of any alignment equals plain memory") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    const std::uint64_t size = 6 * extent_size + 20 * kib; // the last extent is short
    disk_fixture disk(all_home(size));
    bytes model(size);
    std::mt19937_64 random(seed);
    for (int step = 0; step < 400; ++step) {
      CAPTURE(step);
      auto grain = std::array<std::uint64_t, 3>{1, 512, 4096}[random() % 3];
      auto offset = random() % size / grain * grain;
      auto length_max = random() % 4 == 0 ? 3 * extent_size : 9 * kib;
      auto length = std::min(size - offset, random() % length_max / grain * grain);
      auto in = random() % 5 == 0 ? filled(length, 0) : noise(length, random());
      switch (random() % 8) {
      case 0:
      case 1:
        CHECK(read_all(*disk.volume, offset, length)
              == bytes(model.begin() + offset, model.begin() + offset + length));
        break;
      case 2:
        REQUIRE(disk.volume->zero(first_epoch, offset, length));
        std::fill_n(model.begin() + offset, length, std::byte{0});
        break;
      case 3:
        if (step % 16 == 0)
          disk.reopen();
        break;
      default:
        REQUIRE(disk.volume->write(first_epoch, offset, in));
        std::copy(in.begin(), in.end(), model.begin() + offset);
      }
    }
    bytes verified(size);
    REQUIRE(disk.volume->read_verified(0, verified));
    CHECK(verified == model);
    CHECK(read_all(*disk.volume, 0, size) == model);
    CHECK(disk.volume->corrupt_blocks() == 0);
    REQUIRE(disk.volume->zero(first_epoch, 0, size));
    CHECK(disk.volume->inventory().present.isEmpty());
  }
}

TEST_CASE("volume io: a zeroed extent gives its space and its record back") {
  disk_fixture disk(all_home(64 * mib));
  auto empty = disk.volume->bytes_present();
  REQUIRE(disk.volume->write(first_epoch, 0, noise(4 * mib, 1)));
  REQUIRE(disk.volume->flush(first_epoch));
  CHECK(disk.volume->bytes_present() >= empty + 4 * mib);
  CHECK(disk.volume->inventory().present.cardinality() == 64);
  for (std::uint64_t offset = 0; offset < 4 * mib; offset += 24 * kib) // no piece is an extent
    REQUIRE(disk.volume->zero(first_epoch, offset, std::min(24 * kib, 4 * mib - offset)));
  REQUIRE(disk.volume->flush(first_epoch));
  CHECK(disk.volume->inventory().present.isEmpty());
  CHECK(disk.volume->bytes_present() < empty + 64 * kib);
  disk.reopen();
  CHECK(disk.volume->inventory().present.isEmpty());
  CHECK(read_all(*disk.volume, 0, 4 * mib) == filled(4 * mib, 0));
}

TEST_CASE("volume io: a thin volume of 64 TiB works at both ends and costs next to nothing") {
  disk_fixture disk({7, 64 * tib, 1u << 20, [](std::uint32_t) { return true; }});
  auto last = 64 * tib - 8 * kib;
  auto seam = 3 * tib - 4 * kib; // two segment files
  auto in = noise(8 * kib, 3);
  REQUIRE(disk.volume->write(first_epoch, last, in));
  REQUIRE(disk.volume->write(first_epoch, seam, in));
  REQUIRE(disk.volume->flush(first_epoch));
  disk.reopen();
  CHECK(read_all(*disk.volume, last, 8 * kib) == in);
  CHECK(read_all(*disk.volume, seam, 8 * kib) == in);
  CHECK(disk.volume->inventory().present.cardinality() == 3);
  CHECK(disk.volume->bytes_present() < 1 * mib);
}

TEST_CASE("volume io: a request past the end or a senseless layout is invalid") {
  disk_fixture disk(all_home());
  bytes out(8 * kib);
  auto end = at(64);
  CHECK(code_of(disk.volume->read(first_epoch, end - 4 * kib, out)) == errc::invalid);
  CHECK(code_of(disk.volume->write(first_epoch, end + 1, out)) == errc::invalid);
  CHECK(code_of(disk.volume->zero(first_epoch, 4 * kib, ~0ull)) == errc::invalid);
  CHECK(code_of(disk.volume->read_verified(100, out)) == errc::invalid);
  CHECK(code_of(disk.store->volume(all_home(128 * extent_size))) == errc::invalid);
  auto odd = all_home();
  odd.id = 8;
  odd.extent_bytes = 100'000;
  CHECK(code_of(disk.store->volume(odd)) == errc::invalid);
  CHECK(*disk.store->volume(all_home()) == disk.volume);
  disk.close();
  auto store = extent_store::open({disk.directory / "data", 0});
  REQUIRE(store);
  CHECK(code_of((*store)->volume(all_home(128 * extent_size))) == errc::invalid);
}

TEST_CASE("volume io: threads that write different blocks never disturb each other") {
  disk_fixture disk(all_home());
  auto work = [&](unsigned lane) { // lanes interleave in 4 KiB blocks, and share every extent
    for (std::uint64_t block = lane; block < 256; block += 4)
      for (unsigned turn = 1; turn <= 3; ++turn)
        if (!disk.volume->write(first_epoch, block * 4096, noise(4096, block * 7 + turn)))
          std::abort();
  };
  std::vector<std::thread> threads;
  for (unsigned lane = 0; lane < 4; ++lane)
    threads.emplace_back(work, lane);
  bytes out(16 * kib);
  for (int i = 0; i < 200; ++i)
    CHECK(disk.volume->read_verified(at(i % 16), out)); // a write half way is not corruption
  for (auto& thread : threads)
    thread.join();
  for (std::uint64_t block = 0; block < 256; ++block)
    REQUIRE(read_all(*disk.volume, block * 4096, 4096) == noise(4096, block * 7 + 3));
  CHECK(disk.volume->corrupt_blocks() == 0);
}

TEST_CASE("volume io: digests agree exactly when contents agree") {
  disk_fixture one(all_home());
  disk_fixture other(all_home());
  std::vector<std::uint32_t> extents{0, 1, 2, 3};
  auto in = noise(extent_size, 9);
  REQUIRE(one.volume->write(first_epoch, at(0), in));
  for (std::uint64_t offset = 0; offset < extent_size; offset += 1000) // another way to the same
    REQUIRE(other.volume->write(
        first_epoch, at(0, offset),
        std::span(in).subspan(offset, std::min<std::uint64_t>(1000, extent_size - offset))));
  REQUIRE(one.volume->write(first_epoch, at(1), filled(extent_size, 0)));
  REQUIRE(one.volume->write(first_epoch, at(2), in));
  REQUIRE(one.volume->zero(first_epoch, at(2, 4096), 8192));
  REQUIRE(other.volume->write(first_epoch, at(2), in));
  REQUIRE(other.volume->write(first_epoch, at(2, 4096), filled(8192, 0)));
  REQUIRE(one.volume->write(first_epoch, at(3), in));
  REQUIRE(other.volume->write(first_epoch, at(3), in));
  auto changed = in.back() ^ std::byte{1};
  REQUIRE(other.volume->write(first_epoch, at(4) - 1, std::span(&changed, 1)));
  auto a = *one.volume->digests(extents);
  auto b = *other.volume->digests(extents);
  CHECK(a[0] == b[0]);
  CHECK(a[0] != 0);
  CHECK(a[1] == 0); // zeroes written are zeroes never written
  CHECK(b[1] == 0);
  CHECK(a[2] == b[2]);
  CHECK(a[3] != b[3]);
}
