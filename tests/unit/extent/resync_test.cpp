// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/extent/fixture.hpp"

#include <fcntl.h>

#include <algorithm>
#include <thread>

using namespace foreshift;
using namespace foreshift::test;

namespace {

constexpr std::uint64_t move = 40;
constexpr io_permit mirrored{1, move};
const std::vector<std::uint32_t> two{2};

roaring::Roaring set_of(const std::vector<std::uint32_t>& extents) {
  return {extents.size(), extents.data()};
}

std::size_t count(const std::vector<bool>& blocks) {
  return static_cast<std::size_t>(std::count(blocks.begin(), blocks.end(), true));
}

std::vector<std::byte> hashes_of(volume_extents& source, std::uint32_t extent) {
  auto all = source.block_hashes(std::vector{extent});
  REQUIRE(all);
  return all->front();
}

/// What a pull does: fills the blocks that differ from the source. Returns how many.
std::size_t fetch(volume_extents& into, volume_extents& source, std::uint32_t extent,
                  std::uint64_t by = move) {
  auto wanted = into.differing(by, extent, hashes_of(source, extent));
  REQUIRE(wanted);
  bytes block(4096);
  for (std::size_t i = 0; i < wanted->size(); ++i) {
    if (!(*wanted)[i])
      continue;
    REQUIRE(source.read_verified(at(extent, i * 4096), block));
    REQUIRE(into.fill(by, extent, static_cast<std::uint32_t>(i * 4096), block));
  }
  return count(*wanted);
}

} // namespace

TEST_CASE("resync: a stale replica is refused to everybody, compared by blocks and made good") {
  disk_fixture stale(even_home()), good(even_home());
  auto before = noise(extent_size, 1);
  REQUIRE(stale.volume->write(first_epoch, at(2), before));
  REQUIRE(good.volume->write(first_epoch, at(2), before));
  auto changed = noise(3 * 4096, 2);
  REQUIRE(good.volume->write(first_epoch, at(2, 5 * 4096), changed));
  REQUIRE(good.volume->zero(first_epoch, at(2, 12 * 4096), 4096));
  auto& volume = *stale.volume;
  auto space = volume.bytes_present();
  REQUIRE(volume.stage_resync(move, two));
  CHECK(volume.stage_resync(move, two));
  CHECK(volume.inventory().staged == set_of({2}));
  CHECK(volume.bytes_present() == space);
  bytes out(4096);
  CHECK(code_of(volume.read(first_epoch, at(2), out)) == errc::refused);
  CHECK(code_of(volume.write(first_epoch, at(2), out)) == errc::refused);
  CHECK(code_of(volume.zero(first_epoch, at(2), extent_size)) == errc::refused);
  CHECK(code_of(volume.read_verified(at(2), out)) == errc::refused);
  CHECK(code_of(volume.block_hashes(two)) == errc::refused);
  CHECK(fetch(volume, *good.volume, 2) == 4);
  CHECK(fetch(volume, *good.volume, 2) == 0);
  CHECK(*volume.digests(two) == *good.volume->digests(two));
  REQUIRE(volume.commit(move, two));
  CHECK(read_all(volume, at(2), extent_size) == read_all(*good.volume, at(2), extent_size));
  stale.reopen();
  bytes got(extent_size);
  REQUIRE(stale.volume->read_verified(at(2), got));
  CHECK(got == read_all(*good.volume, at(2), extent_size));
}

TEST_CASE("resync: zeroes and data meet in every combination") {
  disk_fixture stale(even_home()), good(even_home());
  // 2: written here only; 4: written there only; 6: written nowhere; 8: zeroed there.
  REQUIRE(stale.volume->write(first_epoch, at(2), noise(extent_size, 1)));
  REQUIRE(good.volume->write(first_epoch, at(4), noise(8192, 2)));
  for (auto* disk : {&stale, &good})
    REQUIRE(disk->volume->write(first_epoch, at(8), noise(extent_size, 3)));
  REQUIRE(good.volume->zero(first_epoch, at(8), extent_size));
  std::vector<std::uint32_t> all{2, 4, 6, 8};
  REQUIRE(stale.volume->stage_resync(move, all));
  CHECK(hashes_of(*good.volume, 6).empty());
  CHECK(hashes_of(*good.volume, 8).empty());
  CHECK(fetch(*stale.volume, *good.volume, 2) == 16);
  CHECK(fetch(*stale.volume, *good.volume, 4) == 2);
  CHECK(fetch(*stale.volume, *good.volume, 6) == 0);
  CHECK(fetch(*stale.volume, *good.volume, 8) == 16);
  CHECK(*stale.volume->digests(all) == *good.volume->digests(all));
  REQUIRE(stale.volume->commit(move, all));
  for (auto extent : all)
    CHECK(read_all(*stale.volume, at(extent), extent_size)
          == read_all(*good.volume, at(extent), extent_size));
}

TEST_CASE("resync: zeroes replace data that its checksum takes for zeroes") {
  disk_fixture stale(even_home()), good(even_home());
  for (auto* disk : {&stale, &good})
    REQUIRE(disk->volume->write(first_epoch, at(2), noise(4096, 1)));
  // The machine lost its power between a write's data and its checksum.
  overwrite(stale.data_file(), at(2, 8192), noise(4096, 2));
  REQUIRE(stale.volume->stage_resync(move, two));
  CHECK(fetch(*stale.volume, *good.volume, 2) == 1);
  REQUIRE(stale.volume->commit(move, two));
  bytes out(extent_size);
  REQUIRE(stale.volume->read_verified(at(2), out));
  CHECK(out == read_all(*good.volume, at(2), extent_size));
}

TEST_CASE("resync: a block that a mirrored write filled is neither compared nor overwritten") {
  disk_fixture stale(even_home()), good(even_home());
  REQUIRE(stale.volume->write(first_epoch, at(2), noise(extent_size, 1)));
  REQUIRE(good.volume->write(first_epoch, at(2), noise(extent_size, 2)));
  REQUIRE(stale.volume->stage_resync(move, two));
  auto hashes = hashes_of(*good.volume, 2);
  auto newer = noise(8192, 3);
  REQUIRE(stale.volume->write(mirrored, at(2, 4096), newer));
  auto wanted = stale.volume->differing(move, 2, hashes);
  REQUIRE(wanted);
  CHECK(count(*wanted) == 14);
  CHECK_FALSE((*wanted)[1]);
  CHECK_FALSE((*wanted)[2]);
  REQUIRE(stale.volume->fill(move, 2, 0, read_all(*good.volume, at(2), extent_size)));
  REQUIRE(stale.volume->commit(move, two));
  CHECK(read_all(*stale.volume, at(2, 4096), 8192) == newer);
}

TEST_CASE("resync: abandoned at any point it is lost data that can be staged again (I7)") {
  // How far the first attempt gets, and how it ends.
  for (int progress = 0; progress < 3; ++progress)
    for (bool restart : {true, false}) {
      CAPTURE(progress);
      CAPTURE(restart);
      disk_fixture stale(even_home()), good(even_home());
      std::vector<std::uint32_t> both{2, 4}; // 4 was never written here
      REQUIRE(stale.volume->write(first_epoch, at(2), noise(extent_size, 1)));
      REQUIRE(good.volume->write(first_epoch, at(2), noise(extent_size, 1)));
      REQUIRE(good.volume->write(first_epoch, at(2, 8192), noise(8192, 2)));
      REQUIRE(good.volume->write(first_epoch, at(4), noise(4096, 3)));
      REQUIRE(stale.volume->stage_resync(move, both));
      if (progress > 0)
        REQUIRE(stale.volume->write(mirrored, at(2, 8192), noise(4096, 4)));
      if (progress > 1)
        for (auto extent : both)
          fetch(*stale.volume, *good.volume, extent);
      if (restart)
        stale.reopen();
      auto& volume = *stale.volume;
      bytes out(4096);
      if (restart) { // like any copy staged before a restart
        CHECK(code_of(volume.commit(move, both)) == errc::precondition);
        CHECK(code_of(volume.stage_resync(move, both)) == errc::precondition);
        CHECK(code_of(volume.differing(move, 2, {})) == errc::refused);
      }
      if (progress != 1) // else a later move takes over without an abort
        REQUIRE(volume.abort(move));
      for (auto extent : both)
        CHECK(code_of(volume.read(first_epoch, at(extent), out)) == errc::refused);
      if (progress != 1) {
        CHECK(volume.inventory().lost == set_of(both));
        CHECK(volume.inventory().present.isEmpty());
      }
      stale.reopen();
      for (auto extent : both)
        CHECK(code_of(stale.volume->read(first_epoch, at(extent), out)) == errc::refused);
      REQUIRE(stale.volume->stage_resync(move + 1, both));
      CHECK(fetch(*stale.volume, *good.volume, 2, move + 1) <= 2);
      CHECK(fetch(*stale.volume, *good.volume, 4, move + 1) <= 1);
      REQUIRE(stale.volume->commit(move + 1, both));
      CHECK(*stale.volume->digests(both) == *good.volume->digests(both));
      for (auto extent : both)
        CHECK(read_all(*stale.volume, at(extent), extent_size)
              == read_all(*good.volume, at(extent), extent_size));
    }
}

TEST_CASE("resync: a late request does not take a replica away that came back meanwhile") {
  disk_fixture disk(even_home());
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(extent_size, 1)));
  REQUIRE(disk.volume->stage_resync(move, two));
  REQUIRE(disk.volume->commit(move, two));
  CHECK(code_of(disk.volume->stage_resync(move, two)) == errc::refused);
  CHECK(code_of(disk.volume->stage_resync(move - 1, two)) == errc::refused);
  CHECK(read_all(*disk.volume, at(2), extent_size) == noise(extent_size, 1));
  CHECK(disk.volume->stage_resync(move + 1, two)); // lost once more
}

TEST_CASE("resync: what is given up is retired, what never was here is an ordinary copy") {
  disk_fixture disk(even_home());
  std::vector<std::uint32_t> both{2, 3};
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(extent_size, 1)));
  REQUIRE(disk.volume->flush(first_epoch));
  auto before = disk.volume->bytes_present();
  REQUIRE(disk.volume->stage_resync(move, both));
  REQUIRE(disk.volume->abort(move));
  CHECK(disk.volume->inventory().lost == set_of({2}));
  REQUIRE(disk.volume->retire(both));
  CHECK(disk.volume->inventory().lost.isEmpty());
  CHECK(disk.volume->inventory().retired == set_of({2}));
  CHECK(disk.volume->bytes_present() + extent_size <= before);
  // An ordinary move over lost data begins empty.
  disk_fixture other(even_home());
  REQUIRE(other.volume->write(first_epoch, at(2), noise(extent_size, 1)));
  REQUIRE(other.volume->stage_resync(move, two));
  REQUIRE(other.volume->abort(move));
  REQUIRE(other.volume->stage(move + 1, two));
  CHECK(*other.volume->digests(two) == std::vector<std::uint64_t>{0});
}

TEST_CASE(
    "resync: a block that does not match its own checksum is copied, at the source it is corrupt") {
  disk_fixture stale(even_home()), good(even_home());
  for (auto* disk : {&stale, &good}) {
    REQUIRE(disk->volume->write(first_epoch, at(2), noise(extent_size, 1)));
    REQUIRE(disk->volume->flush(first_epoch));
  }
  auto spoil = [](const std::string& path) { // the checksum, not the data: the hash is the same
    int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    std::uint32_t wrong = 12345;
    auto where = static_cast<off_t>((at(2) / 4096 + 7) * sizeof wrong);
    REQUIRE(::pwrite(fd, &wrong, sizeof wrong, where) == sizeof wrong);
    ::close(fd);
  };
  spoil(stale.directory / "data/volumes/7/0000.crc");
  REQUIRE(stale.volume->stage_resync(move, two));
  CHECK(fetch(*stale.volume, *good.volume, 2) == 1);
  CHECK(*stale.volume->digests(two) == *good.volume->digests(two));
  spoil(good.directory / "data/volumes/7/0000.crc");
  CHECK(code_of(good.volume->block_hashes(two)) == errc::corrupt);
}

TEST_CASE("watch: what is changed while a watch is on is noted, under each version apart") {
  disk_fixture disk(even_home());
  auto& volume = *disk.volume;
  auto block = noise(4096, 1);
  REQUIRE(volume.write(first_epoch, at(0), block));
  CHECK_FALSE(volume.changed(5));
  REQUIRE(volume.watch(5));
  CHECK(volume.changed(5)->isEmpty());
  CHECK_FALSE(
      volume.write(first_epoch, at(2, extent_size - 512), bytes(1024))); // half: 3 is foreign
  REQUIRE(volume.write(first_epoch, at(4), block));
  REQUIRE(volume.watch(9));
  REQUIRE(volume.write(first_epoch, at(4), block));
  REQUIRE(volume.zero(first_epoch, at(6), 4096)); // zeroes already, but who knows
  REQUIRE(volume.write(first_epoch, at(8), block));
  CHECK(volume.watch(5)); // again: nothing is forgotten
  CHECK(volume.changed(5)->contains(2));
  for (std::uint32_t extent : {4, 8})
    for (std::uint64_t since : {5, 9})
      CHECK(volume.changed(since)->contains(extent));
  CHECK_FALSE(volume.changed(9)->contains(2));
  CHECK_FALSE(volume.changed(5)->contains(0));
  disk.reopen();
  CHECK(disk.volume->changed(5)->contains(2));
  CHECK(disk.volume->changed(9)->contains(8));
  REQUIRE(disk.volume->write(first_epoch, at(0), block));
  CHECK(disk.volume->changed(5)->contains(0));
  REQUIRE(disk.volume->unwatch(5));
  CHECK(disk.volume->unwatch(5));
  CHECK_FALSE(disk.volume->changed(5));
  CHECK(disk.volume->changed(9)->contains(0));
  disk.reopen();
  CHECK_FALSE(disk.volume->changed(5));
  REQUIRE(disk.volume->watch(5));
  CHECK(disk.volume->changed(5)->isEmpty());
  CHECK(code_of(disk.volume->watch(0)) == errc::invalid);
}

TEST_CASE("watch: a host that catches up passes on what it did not see itself") {
  // While host X is out (5), this one misses a change of extent 2; its return must make that known.
  disk_fixture stale(even_home()), good(even_home());
  REQUIRE(stale.volume->watch(5));
  REQUIRE(good.volume->write(first_epoch, at(2), noise(4096, 1)));
  REQUIRE(stale.volume->stage_resync(move, two));
  CHECK(fetch(*stale.volume, *good.volume, 2) == 1);
  REQUIRE(stale.volume->commit(move, two));
  CHECK(stale.volume->changed(5)->contains(2));
}

TEST_CASE("watch: writers and new watches at once miss nothing") {
  disk_fixture disk(all_home());
  auto& volume = *disk.volume;
  std::vector<std::thread> writers;
  std::atomic<std::uint64_t> watched{0};
  std::atomic<bool> complete{true};
  for (std::uint32_t lane = 0; lane < 4; ++lane)
    writers.emplace_back([&, lane] {
      auto block = noise(4096, lane);
      for (std::uint32_t turn = 0; turn < 60; ++turn) {
        auto extent = lane * 16 + turn % 16;
        auto since = watched.load(); // on before this write begins
        if (!volume.write(first_epoch, at(extent), block))
          complete = false;
        if (since != 0 && !volume.changed(since)->contains(extent))
          complete = false;
      }
    });
  for (std::uint64_t since = 1; since <= 12; ++since) {
    if (!volume.watch(since))
      complete = false;
    watched = since;
  }
  for (auto& writer : writers)
    writer.join();
  CHECK(complete);
  roaring::Roaring last = *volume.changed(1);
  disk.reopen();
  CHECK(*disk.volume->changed(1) == last);
}

TEST_CASE("watch: deleting the volume deletes its notes") {
  disk_fixture disk(even_home());
  REQUIRE(disk.volume->watch(5));
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(4096, 1)));
  REQUIRE(disk.store->forget(7));
  disk.reopen();
  CHECK_FALSE(disk.volume->changed(5));
}
