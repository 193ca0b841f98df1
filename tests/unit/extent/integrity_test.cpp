// SPDX-License-Identifier: Apache-2.0
#include "core/extent/intent_log.hpp"
#include "tests/unit/extent/fixture.hpp"

#include <fcntl.h>

#include <atomic>
#include <thread>

using namespace foreshift;
using namespace foreshift::test;

namespace {

bool ends_with(const std::string& path, const std::string& end) {
  return path.ends_with(end);
}

} // namespace

TEST_CASE(
    "integrity: readers beside a writer of the same blocks see whole blocks and no corruption") {
  disk_fixture disk(all_home());
  constexpr std::size_t size = 4 * block_bytes;
  REQUIRE(disk.volume->write(first_epoch, at(1), filled(size, 1)));
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (unsigned turn = 0; turn < 3000; ++turn)
      if (!disk.volume->write(first_epoch, at(1), filled(size, turn % 250)))
        break;
    over = true;
  });
  std::size_t mixed = 0;
  std::size_t failed = 0;
  while (!over) {
    bytes out(size - 200);
    failed += disk.volume->read(first_epoch, at(1, 100), out) ? 0 : 1;
    for (std::size_t block = 1; block + 1 < size / block_bytes; ++block) {
      auto* begin = out.data() + block * block_bytes - 100;
      mixed += std::equal(begin + 1, begin + block_bytes, begin) ? 0 : 1;
    }
  }
  writer.join();
  CHECK(failed == 0);
  CHECK(mixed == 0);
  CHECK(disk.volume->corrupt_blocks() == 0);
}

TEST_CASE("integrity: a torn block is corrupt after a power loss and healed after a kill") {
  for (bool power_loss : {false, true}) {
    CAPTURE(power_loss);
    disk_fixture disk(all_home());
    REQUIRE(disk.volume->write(first_epoch, at(3), noise(2 * block_bytes, 1)));
    disk.close();
    // As if the machine or the process had stopped in the middle of a write to the first block.
    auto path = disk.directory / "data/volumes/7/intents";
    {
      auto log = *intent_log::open(disk.disk, path, 64);
      auto claim = log->begin({1, at(3), block_bytes});
      std::filesystem::copy_file(path, path + ".kept");
    }
    std::filesystem::rename(path + ".kept", path);
    overwrite(disk.data_file(), at(3), noise(1000, 2));
    if (power_loss)
      disk.disk.boot = "second";
    for (int start = 0; start < 2; ++start) {
      disk.open();
      CHECK(disk.volume->trust(disk.volume->doubt()));
      bytes out(block_bytes);
      CHECK(code_of(disk.volume->read(first_epoch, at(3), out))
            == (power_loss ? errc::corrupt : errc::ok));
      CHECK(read_all(*disk.volume, at(3, block_bytes), block_bytes).size() == block_bytes);
      disk.close();
    }
    disk.open();
    REQUIRE(disk.volume->write(first_epoch, at(3), noise(block_bytes, 4)));
    CHECK(read_all(*disk.volume, at(3), block_bytes) == noise(block_bytes, 4));
  }
}

TEST_CASE("integrity: a write cut short leaves blocks new, old, or named as corrupt") {
  disk_fixture disk(all_home());
  REQUIRE(disk.volume->write(first_epoch, at(5), filled(4 * block_bytes, 1)));
  disk.disk.write_bytes_max = block_bytes + 100;
  int writes = 0;
  disk.disk.fails = [&](std::string_view what, const std::string& path) -> std::optional<fault> {
    if (what == "write" && ends_with(path, ".extents") && ++writes == 2)
      return fault{errc::no_space, "full"};
    return std::nullopt;
  };
  CHECK(code_of(disk.volume->write(first_epoch, at(5), filled(4 * block_bytes, 2)))
        == errc::no_space);
  bytes out(block_bytes);
  CHECK(read_all(*disk.volume, at(5), block_bytes) == filled(block_bytes, 2));
  CHECK(code_of(disk.volume->read(first_epoch, at(5, block_bytes), out)) == errc::corrupt);
  CHECK(read_all(*disk.volume, at(5, 2 * block_bytes), 2 * block_bytes)
        == filled(2 * block_bytes, 1));
  CHECK(disk.volume->write(first_epoch, at(5), filled(4 * block_bytes, 3)));
  CHECK(read_all(*disk.volume, at(5), 4 * block_bytes) == filled(4 * block_bytes, 3));
}

TEST_CASE(
    "integrity: after a failed sync the replica answers nothing, over restarts, until reopened") {
  for (const std::string file : {".extents", ".crc"}) {
    CAPTURE(file);
    disk_fixture disk(even_home());
    auto& volume = disk.volume;
    REQUIRE(volume->write(first_epoch, at(2), noise(block_bytes, 1)));
    disk.disk.fails = [&](std::string_view what, const std::string& path) -> std::optional<fault> {
      if (what == "sync" && ends_with(path, file))
        return fault{errc::storage, "the disk said no"};
      return std::nullopt;
    };
    auto first = volume->flush(first_epoch);
    CHECK(code_of(first) == errc::storage);
    disk.disk.fails = nullptr; // the kernel would report success from now on
    std::vector<std::uint32_t> some{2};
    std::vector<std::uint32_t> other{3};
    for (int start = 0; start < 2; ++start) {
      bytes out(block_bytes);
      CHECK(volume->failure() == "the disk said no");
      CHECK(code_of(volume->flush(first_epoch)) == errc::storage);
      CHECK(code_of(volume->write(first_epoch, at(2), out)) == errc::storage);
      CHECK(code_of(volume->zero(first_epoch, at(4), extent_size)) == errc::storage);
      CHECK(code_of(volume->read(first_epoch, at(2), out)) == errc::storage);
      CHECK(code_of(volume->read_verified(at(2), out)) == errc::storage);
      CHECK(code_of(volume->digests(some)) == errc::storage);
      CHECK(code_of(volume->stage(9, other)) == errc::storage);
      disk.reopen();
    }
    REQUIRE(volume->reopen());
    CHECK(code_of(volume->reopen()) == errc::precondition);
    disk.reopen();
    bytes out(block_bytes);
    CHECK(code_of(volume->read(first_epoch, at(2), out)) == errc::refused); // never zeroes
    REQUIRE(volume->stage(9, some));
    REQUIRE(volume->fill(9, 2, 0, noise(block_bytes, 1)));
    REQUIRE(volume->sync_staged(9));
    REQUIRE(volume->commit(9, some));
    CHECK(read_all(*volume, at(2), block_bytes) == noise(block_bytes, 1));
    CHECK(volume->flush(first_epoch));
  }
}

TEST_CASE("integrity: a full check reads what nobody reads, and a repair ends the finding") {
  disk_fixture disk(all_home());
  for (std::uint32_t extent = 0; extent < 4; ++extent)
    REQUIRE(disk.volume->write(first_epoch, at(extent), noise(extent_size, extent)));
  overwrite(disk.data_file(), at(1, extent_size - 1), filled(1, 7));
  overwrite(disk.data_file(), at(3), filled(1, 7));
  for (std::uint32_t extent = 0; extent < 4; ++extent)
    CHECK(*disk.volume->check(extent) == extent_size);
  CHECK(*disk.volume->check(4) == 0);
  CHECK(disk.volume->corrupt_extents() == roaring::Roaring::bitmapOf(2, 1u, 3u));
  REQUIRE(disk.volume->write(first_epoch, at(1), noise(extent_size, 9)));
  std::vector<std::uint32_t> gone{3};
  REQUIRE(disk.volume->retire(gone));
  for (std::uint32_t extent : {1, 3})
    CHECK(disk.volume->check(extent));
  CHECK(disk.volume->corrupt_extents().isEmpty());
}

TEST_CASE("integrity: the check of files frees strays and finds data that is gone") {
  disk_fixture disk(even_home());
  REQUIRE(disk.volume->write(first_epoch, at(2), noise(extent_size, 1)));
  REQUIRE(disk.volume->write(first_epoch, at(4), noise(extent_size, 2)));
  overwrite(disk.data_file(), at(7, 3 * block_bytes), filled(block_bytes, 9));
  int fd = ::open(disk.data_file().c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at(4), extent_size) == 0);
  ::close(fd);
  CHECK(*disk.volume->check_files() == extent_size);
  CHECK(disk.volume->corrupt_extents() == roaring::Roaring::bitmapOf(1, 4u));
  CHECK(*disk.volume->check_files() == 0);
  CHECK(read_all(*disk.volume, at(2), extent_size) == noise(extent_size, 1));
}
