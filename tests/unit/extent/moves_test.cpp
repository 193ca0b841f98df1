// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/extent/fixture.hpp"

#include <algorithm>

using namespace foreshift;
using namespace foreshift::test;

namespace {

const std::vector<std::uint32_t> three{3};
constexpr std::uint64_t move = 40;
constexpr io_permit mirrored{1, move};

roaring::Roaring set_of(const std::vector<std::uint32_t>& extents) {
  return {extents.size(), extents.data()};
}

} // namespace

TEST_CASE("moves: a staged copy is invisible until it is committed, then it is a replica (I6)") {
  disk_fixture disk(even_home());
  auto& volume = *disk.volume;
  auto in = noise(extent_size, 1);
  bytes out(4096);
  REQUIRE(volume.stage(move, three));
  CHECK(volume.stage(move, three));
  CHECK(volume.inventory().staged == set_of({3}));
  CHECK(volume.moves_staged() == std::vector<std::uint64_t>{move});
  CHECK(*volume.fill(move, 3, 0, in) == extent_size);
  CHECK(code_of(volume.read(first_epoch, at(3), out)) == errc::refused);
  CHECK(code_of(volume.write(first_epoch, at(3), out)) == errc::refused);
  CHECK(code_of(volume.read_verified(at(3), out)) == errc::refused);
  CHECK(code_of(volume.read(mirrored, at(3), out)) == errc::refused);
  REQUIRE(volume.sync_staged(move));
  REQUIRE(volume.commit(move, three));
  CHECK(volume.commit(move, three));
  CHECK(read_all(volume, at(3), extent_size) == in);
  CHECK(volume.moves_staged().empty());
  disk.reopen();
  CHECK(read_all(*disk.volume, at(3), extent_size) == in);
  CHECK(disk.volume->commit(move, three));
  CHECK(code_of(disk.volume->commit(move + 1, three)) == errc::refused);
  CHECK(code_of(disk.volume->stage(move + 1, three)) == errc::exists);
  CHECK(code_of(disk.volume->fill(move, 3, 0, in)) == errc::refused);
}

TEST_CASE("moves: a block that a mirrored write filled is never overwritten by a pull") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    disk_fixture disk(no_home());
    auto& volume = *disk.volume;
    auto source = noise(extent_size, seed);
    for (int i = 0; i < 4; ++i) // a source with holes
      std::fill_n(source.begin() + random() % 16 * 4096, 4096, std::byte{0});
    auto expected = source;
    std::vector<bool> mirrored_blocks(16);
    REQUIRE(volume.stage(move, three));
    for (int step = 0; step < 30; ++step) {
      auto first = random() % 16;
      auto blocks = 1 + random() % (16 - first);
      auto offset = first * 4096;
      auto length = blocks * 4096;
      auto kind = random() % 4;
      if (kind >= 2) {
        auto skipped = std::count(mirrored_blocks.begin() + first,
                                  mirrored_blocks.begin() + first + blocks, true);
        auto stored = volume.fill(move, 3, static_cast<std::uint32_t>(offset),
                                  std::span(source).subspan(offset, length));
        REQUIRE(stored);
        CHECK(*stored == length - static_cast<std::uint64_t>(skipped) * 4096);
        continue;
      }
      auto in = kind == 0 ? noise(length, random()) : filled(length, 0);
      auto ok = kind == 0 ? volume.write(mirrored, at(3, offset), in)
                          : volume.zero(mirrored, at(3, offset), length);
      REQUIRE(ok);
      std::copy(in.begin(), in.end(), expected.begin() + offset);
      std::fill_n(mirrored_blocks.begin() + first, blocks, true);
    }
    REQUIRE(volume.fill(move, 3, 0, source));
    REQUIRE(volume.commit(move, three));
    bytes got(extent_size);
    REQUIRE(volume.read_verified(at(3), got));
    CHECK(got == expected);
    disk_fixture plain(all_home());
    REQUIRE(plain.volume->write(first_epoch, at(3), expected));
    CHECK(*plain.volume->digests(three) == *volume.digests(three));
  }
}

TEST_CASE("moves: mirrored writes are whole blocks, of the owning move, before and after commit") {
  disk_fixture disk(even_home());
  auto& volume = *disk.volume;
  auto block = noise(4096, 2);
  auto mirror = [&](std::uint64_t id, std::uint32_t extent) {
    return code_of(volume.write({1, id}, at(extent), block));
  };
  CHECK(mirror(move, 3) == errc::refused);
  CHECK(mirror(move, 2) == errc::refused); // a home's own extent is not the move's
  REQUIRE(volume.stage(move, three));
  CHECK(mirror(move - 1, 3) == errc::refused);
  CHECK(mirror(move + 1, 3) == errc::refused);
  CHECK(code_of(volume.write(mirrored, at(3, 1), block)) == errc::invalid);
  CHECK(code_of(volume.zero(mirrored, at(3), 100)) == errc::invalid);
  CHECK(code_of(volume.write({2, move}, at(3), block)) == errc::refused);
  CHECK(mirror(move, 3) == errc::ok);
  REQUIRE(volume.commit(move, three));
  CHECK(mirror(move, 3) == errc::ok);
  CHECK(mirror(move + 1, 3) == errc::refused);
  CHECK(volume.zero(mirrored, at(3), extent_size)); // does not forget who added it
  CHECK(mirror(move, 3) == errc::ok);
  CHECK(code_of(volume.write(mirrored, at(3, 1), block)) == errc::ok);
  REQUIRE(volume.write(first_epoch, at(2), block));
  CHECK(mirror(move, 2) == errc::refused);
}

TEST_CASE("moves: a later move takes a staging over, an earlier one is refused") {
  disk_fixture disk(even_home());
  auto& volume = *disk.volume;
  auto block = noise(4096, 3);
  REQUIRE(volume.stage(move, three));
  REQUIRE(volume.write(mirrored, at(3), block));
  CHECK(code_of(volume.stage(move - 1, three)) == errc::refused);
  REQUIRE(volume.stage(move + 1, three));
  CHECK(volume.moves_staged() == std::vector<std::uint64_t>{move + 1});
  CHECK(code_of(volume.write(mirrored, at(3), block)) == errc::refused);
  CHECK(code_of(volume.fill(move, 3, 0, block)) == errc::refused);
  CHECK(code_of(volume.commit(move, three)) == errc::refused);
  CHECK(volume.abort(move));                                      // owns nothing any more
  CHECK(*volume.digests(three) == std::vector<std::uint64_t>{0}); // nothing of it shows
  CHECK(volume.commit(move + 1, three));
  CHECK(read_all(volume, at(3), 4096) == filled(4096, 0));
}

TEST_CASE("moves: abort frees the copies and leaves the old placement (I7)") {
  disk_fixture disk(even_home());
  std::vector<std::uint32_t> extents{1, 3, 5};
  std::vector<std::uint32_t> two{2};
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(4096, 4)));
  REQUIRE(disk.volume->retire(two)); // a home that gave its extent away, and gets it back
  extents.push_back(2);
  auto before = disk.volume->bytes_present();
  REQUIRE(disk.volume->stage(move, extents));
  for (auto extent : extents)
    REQUIRE(disk.volume->fill(move, extent, 0, noise(extent_size, extent)));
  REQUIRE(disk.volume->sync_staged(move));
  CHECK(disk.volume->bytes_present() >= before + 4 * extent_size);
  REQUIRE(disk.volume->abort(move));
  CHECK(disk.volume->abort(move));
  CHECK(disk.volume->bytes_present() <= before + 16 * kib);
  bytes out(4096);
  for (int round = 0; round < 2; ++round) {
    for (auto extent : extents)
      CHECK(code_of(disk.volume->read(first_epoch, at(extent), out)) == errc::refused);
    CHECK(disk.volume->inventory().staged.isEmpty());
    CHECK(disk.volume->inventory().retired == set_of({2}));
    disk.reopen();
  }
}

TEST_CASE("moves: a retired extent is refused for good, its space is free, and it may come back") {
  disk_fixture disk(even_home());
  std::vector<std::uint32_t> extents{0, 2, 3};
  auto old = noise(extent_size, 5);
  REQUIRE(disk.volume->write(first_epoch, at(0), old));
  REQUIRE(disk.volume->stage(move, three));
  REQUIRE(disk.volume->fill(move, 3, 0, old));
  REQUIRE(disk.volume->commit(move, three));
  REQUIRE(disk.volume->flush(first_epoch));
  auto before = disk.volume->bytes_present();
  REQUIRE(disk.volume->retire(extents)); // with data, never written, added by a move
  CHECK(disk.volume->retire(extents));
  CHECK(disk.volume->bytes_present() + 2 * extent_size <= before);
  bytes out(4096);
  for (int round = 0; round < 2; ++round) {
    for (auto extent : extents) {
      CHECK(code_of(disk.volume->read(first_epoch, at(extent), out)) == errc::refused);
      CHECK(code_of(disk.volume->write(first_epoch, at(extent), out)) == errc::refused);
      // Not 0 as for zeroes: a copy of what has gone would be taken for complete.
      std::vector<std::uint32_t> gone{extent};
      CHECK(code_of(disk.volume->digests(gone)) == errc::refused);
    }
    CHECK(disk.volume->inventory().retired == set_of({0, 2})); // 3 has no home here
    CHECK(disk.volume->inventory().present.isEmpty());
    disk.reopen();
  }
  std::vector<std::uint32_t> back{0};
  REQUIRE(disk.volume->stage(move + 1, back));
  CHECK(code_of(disk.volume->retire(back)) == errc::precondition);
  REQUIRE(disk.volume->commit(move + 1, back));
  CHECK(read_all(*disk.volume, at(0), extent_size) == filled(extent_size, 0));
}

TEST_CASE("moves: a copy staged before a restart can only be aborted or taken over") {
  disk_fixture disk(even_home());
  std::vector<std::uint32_t> extents{3, 5};
  auto block = noise(4096, 6);
  REQUIRE(disk.volume->stage(move, extents));
  REQUIRE(disk.volume->write(mirrored, at(3), block));
  disk.reopen();
  auto& volume = *disk.volume;
  CHECK(volume.moves_staged() == std::vector<std::uint64_t>{move});
  CHECK(code_of(volume.fill(move, 3, 0, block)) == errc::precondition);
  CHECK(code_of(volume.write(mirrored, at(3), block)) == errc::precondition);
  CHECK(code_of(volume.commit(move, extents)) == errc::precondition);
  CHECK(code_of(volume.stage(move, extents)) == errc::precondition);
  REQUIRE(volume.stage(move + 1, three));
  CHECK(volume.fill(move + 1, 3, 0, block));
  CHECK(volume.commit(move + 1, three));
  REQUIRE(volume.abort(move));
  CHECK(volume.moves_staged().empty());
  CHECK(read_all(volume, at(3), 4096) == block);
}

TEST_CASE("moves: senseless requests are invalid and change nothing") {
  disk_fixture disk(even_home());
  std::vector<std::uint32_t> outside{1, 64};
  auto block = noise(4096, 7);
  CHECK(code_of(disk.volume->stage(move, outside)) == errc::invalid);
  CHECK(code_of(disk.volume->stage(0, three)) == errc::invalid);
  CHECK(code_of(disk.volume->commit(0, three)) == errc::invalid);
  CHECK(code_of(disk.volume->retire(outside)) == errc::invalid);
  CHECK(code_of(disk.volume->digests(outside)) == errc::invalid);
  CHECK(code_of(disk.volume->fill(move, 3, 100, block)) == errc::invalid);
  CHECK(code_of(disk.volume->fill(move, 3, extent_size, block)) == errc::invalid);
  std::vector<std::uint32_t> home{1, 2};
  CHECK(code_of(disk.volume->stage(move, home)) == errc::exists);
  CHECK(disk.volume->inventory().staged.isEmpty());
}

TEST_CASE("moves: staging below the reserve is no_space, while guests may still write") {
  disk_fixture disk(even_home(), 1ull << 60);
  CHECK(disk.store->space().free_bytes == 0);
  CHECK(disk.store->space().reserve_bytes == 1ull << 60);
  CHECK(code_of(disk.volume->stage(move, three)) == errc::no_space);
  CHECK(disk.volume->inventory().staged.isEmpty());
  CHECK(disk.volume->write(first_epoch, at(2), noise(4096, 8)));
}
