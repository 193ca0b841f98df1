// SPDX-License-Identifier: Apache-2.0
#include "core/extent/fence_gate.hpp"
#include "tests/unit/extent/fixture.hpp"

#include <atomic>
#include <thread>

using namespace foreshift;
using namespace foreshift::test;

TEST_CASE("fence: every request of another epoch is refused, also after a restart (I2)") {
  disk_fixture disk(all_home());
  auto block = noise(4096, 1);
  auto refuses = [&](std::uint64_t epoch) {
    bytes out(4096);
    io_permit permit{epoch, 0};
    CHECK(code_of(disk.volume->read(permit, 0, out)) == errc::refused);
    CHECK(code_of(disk.volume->write(permit, 0, out)) == errc::refused);
    CHECK(code_of(disk.volume->zero(permit, 0, 4096)) == errc::refused);
    CHECK(code_of(disk.volume->flush(permit)) == errc::refused);
  };
  refuses(0);
  refuses(2);
  REQUIRE(disk.volume->write(first_epoch, 0, block));
  auto fence = disk.volume->promote(5, "host-b");
  REQUIRE(fence);
  CHECK(*fence == fence_state{5, "host-b", 0, ""});
  refuses(1);
  refuses(4);
  refuses(6);
  CHECK(read_all(*disk.volume, 0, 4096, {5, 0}) == block);
  disk.reopen();
  CHECK(disk.volume->fence() == fence_state{5, "host-b", 0, ""});
  refuses(1);
  CHECK(read_all(*disk.volume, 0, 4096, {5, 0}) == block);
}

TEST_CASE("fence: a volume never promoted serves nobody") {
  temp_directory directory;
  auto store = *extent_store::open({directory / "data", 0});
  auto volume = *store->volume(all_home());
  bytes out(4096);
  CHECK(code_of(volume->read({0, 0}, 0, out)) == errc::refused);
  CHECK(volume->fence() == fence_state{});
}

TEST_CASE("fence: an epoch has one holder and never goes back (I1)") {
  disk_fixture disk(all_home());
  auto& volume = *disk.volume;
  CHECK(volume.prepare(4, "host-c"));
  CHECK(volume.prepare(4, "host-c"));
  CHECK(code_of(volume.prepare(4, "host-b")) == errc::refused);
  CHECK(code_of(volume.prepare(3, "host-c")) == errc::refused);
  CHECK(code_of(volume.prepare(0, "host-c")) == errc::invalid);
  disk.reopen();
  CHECK(disk.volume->fence() == fence_state{1, "host-a", 4, "host-c"});
  CHECK(disk.volume->promote(1, "host-a")); // the current fence, repeated
  CHECK(code_of(disk.volume->promote(3, "host-b")) == errc::refused);
  CHECK(code_of(disk.volume->promote(4, "host-b")) == errc::refused);
  CHECK(disk.volume->fence().epoch == 1);
  CHECK(disk.volume->promote(4, "host-c"));
  CHECK(disk.volume->promote(4, "host-c"));
  CHECK(code_of(disk.volume->promote(4, "host-b")) == errc::refused);
  CHECK(code_of(disk.volume->promote(1, "host-a")) == errc::refused);
  CHECK(code_of(disk.volume->prepare(4, "host-b")) == errc::refused);
  CHECK(disk.volume->fence() == fence_state{4, "host-c", 0, ""});
}

TEST_CASE("fence: promote waits for requests of older epochs and refuses new ones meanwhile") {
  std::atomic<bool> held{false}, release{false}, promoted{false};
  auto layout = all_home();
  layout.is_home = [&](std::uint32_t extent) { // asked inside of the first read of an extent
    if (extent == 5) {
      held = true;
      release.wait(false);
    }
    return true;
  };
  disk_fixture disk(layout);
  bool promoted_during_read = true;
  std::thread reader([&] {
    bytes out(4096);
    auto ok = disk.volume->read(first_epoch, at(5), out);
    promoted_during_read = promoted;
    if (!ok)
      std::abort(); // it began before the promotion
  });
  while (!held)
    std::this_thread::yield();
  std::thread promoter([&] {
    if (!disk.volume->promote(2, "host-b"))
      std::abort();
    promoted = true;
  });
  bytes out(4096);
  while (disk.volume->read(first_epoch, 0, out))
    std::this_thread::yield();
  // The database serves in order: had the fence been written already, it would be before these.
  for (int i = 0; i < 3; ++i)
    REQUIRE(disk.store->put("marker", "x", true));
  CHECK_FALSE(promoted);
  CHECK(code_of(disk.volume->read({2, 0}, 0, out)) == errc::refused);
  release = true;
  release.notify_all();
  reader.join();
  promoter.join();
  CHECK_FALSE(promoted_during_read);
  CHECK(disk.volume->read({2, 0}, 0, out));
}

TEST_CASE("fence: of promotions at once the highest wins and no two epochs are ever served") {
  disk_fixture disk(all_home());
  std::vector<std::thread> threads;
  for (std::uint64_t epoch = 2; epoch <= 9; ++epoch)
    threads.emplace_back([&disk, epoch] {
      auto holder = "host-" + std::to_string(epoch);
      auto got = disk.volume->promote(epoch, holder);
      if (got && (got->epoch != epoch || got->holder != holder))
        std::abort();
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(disk.volume->fence() == fence_state{9, "host-9", 0, ""});
  bytes out(4096);
  for (std::uint64_t epoch = 1; epoch <= 9; ++epoch)
    CHECK(static_cast<bool>(disk.volume->read({epoch, 0}, 0, out)) == (epoch == 9));
}

TEST_CASE("fence gate: once closed, no pass of the old epoch is alive (stress)") {
  fence_gate gate;
  std::atomic<std::uint64_t> epoch{1};
  std::atomic<bool> stop{false}, violated{false};
  gate.open(1);
  std::atomic<std::uint64_t> served{0};
  auto client = [&] {
    while (!stop) {
      auto mine = epoch.load();
      if (auto pass = gate.enter(mine)) {
        violated = violated || epoch.load() != mine; // `epoch` moves only while the gate is closed
        ++served;
      }
    }
  };
  std::thread a(client), b(client);
  for (std::uint64_t next = 2; next < 3000; ++next) {
    gate.close();
    epoch = next;
    gate.open(next);
  }
  while (served == 0)
    std::this_thread::yield();
  stop = true;
  a.join();
  b.join();
  CHECK_FALSE(violated);
}
