// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "core/volume/access_ring.hpp"
#include "core/volume/io_counters.hpp"
#include "core/volume/nbd_link.hpp"
#include "core/volume/plane_records.hpp"
#include "core/volume/range_lock.hpp"
#include "core/volume/session_line.hpp"
#include "core/volume/view_cell.hpp"
#include "core/volume/write_intents.hpp"

#include <filesystem>
#include <future>
#include <optional>
#include <set>
#include <thread>

#include <unistd.h>

using namespace foreshift;
using namespace std::chrono_literals;

TEST_CASE("a pinned version stays while newer ones are installed") {
  view_cell<int> cell{std::make_shared<const int>(1)};
  std::optional<view_cell<int>::pin> old{cell.acquire()};
  auto generation = cell.install(std::make_shared<const int>(2));
  CHECK(**old == 1);
  CHECK(*cell.acquire() == 2);
  CHECK_FALSE(cell.drain(generation, 0ms));
  auto newer = cell.acquire();
  old.reset();
  CHECK(cell.drain(generation, 0ms));
  CHECK(*newer == 2);
}

TEST_CASE("readers and a writer of versions never meet a version that is gone") {
  view_cell<int> cell{std::make_shared<const int>(0)};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      int last = 0;
      while (!stop) {
        auto pin = cell.acquire();
        if (*pin < last)
          ++wrong;
        last = *pin;
      }
    });
  for (int i = 1; i <= 2000; ++i) {
    auto generation = cell.install(std::make_shared<const int>(i));
    if (i % 3 == 0)
      CHECK(cell.drain(generation, 60s));
  }
  stop = true;
  for (auto& reader : readers)
    reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("overlapping ranges wait in the order they came and others pass") {
  range_lock lock;
  std::optional<range_lock::guard> first{lock.acquire(0, 100)};
  std::atomic<int> order{0};
  std::atomic<int> second_at{0};
  auto second = std::async(std::launch::async, [&] {
    auto held = lock.acquire(4000, 200); // Shares block 0.
    second_at = ++order;
  });
  auto other = lock.acquire(8192, 4096);
  CHECK(second.wait_for(0s) == std::future_status::timeout);
  CHECK(order == 0);
  first.reset();
  second.get();
  CHECK(second_at == 1);
}

TEST_CASE("several ranges are taken together") {
  range_lock lock;
  {
    auto first = lock.acquire(0, 4096);
    CHECK_FALSE(lock.acquire_within({{0, 8192}}, std::chrono::milliseconds{1}));
    CHECK(lock.acquire_within({{4096, 8192}}, std::chrono::milliseconds{1}));
  }
  std::optional<range_lock::guard> both{lock.acquire({{0, 4096}, {16384, 20480}})};
  auto between = lock.acquire(8192, 4096);
  auto waiting = std::async(std::launch::async, [&] { auto held = lock.acquire(16384, 1); });
  CHECK(waiting.wait_for(0s) == std::future_status::timeout);
  both.reset();
  waiting.get();
}

TEST_CASE("an access ring keeps order, wraps and counts what it drops") {
  access_ring ring{4};
  access_note note{1, (1ull << 37) - 1, 4096, 9, (1u << 21) - 1, access_op::zero, true};
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < 5; ++i) {
      note.vci = i;
      ring.put(note);
    }
    CHECK(ring.pending());
    auto got = ring.take(10);
    REQUIRE(got.size() == 4);
    for (std::uint32_t i = 0; i < 4; ++i) {
      note.vci = i;
      CHECK(got[i] == note);
    }
    CHECK_FALSE(ring.pending());
  }
  CHECK(ring.dropped() == 3);
}

TEST_CASE("an access ring loses nothing between many writers and a reader") {
  access_ring ring{1u << 16};
  std::vector<std::thread> writers;
  for (std::uint32_t w = 0; w < 4; ++w)
    writers.emplace_back([&ring, w] {
      for (std::uint32_t i = 0; i < 5000; ++i)
        ring.put({0, i, 0, w, 0, access_op::read, false});
    });
  std::vector<std::uint64_t> next(4);
  std::size_t seen = 0;
  while (seen < 20000) {
    for (const auto& note : ring.take(100)) {
      CHECK(note.sector == next[note.vci]++);
      ++seen;
    }
  }
  for (auto& writer : writers)
    writer.join();
  CHECK(ring.dropped() == 0);
}

TEST_CASE("latency buckets double from an eighth of a microsecond") {
  CHECK(latency_histogram::bucket_of(-5) == 0);
  CHECK(latency_histogram::bucket_of(124) == 0);
  CHECK(latency_histogram::bucket_of(249) == 0);
  CHECK(latency_histogram::bucket_of(250) == 1);
  CHECK(latency_histogram::bucket_of(1000) == 3);
  CHECK(latency_histogram::bucket_of(INT64_MAX) == 31);
}

TEST_CASE("write intents left behind are found by the next process") {
  auto path =
      std::filesystem::temp_directory_path() / ("foreshift-intents-" + std::to_string(::getpid()));
  {
    auto intents = write_intents::open(path);
    REQUIRE(intents);
    auto done = (*intents)->begin(1, 0, 10);
    (*intents)->begin(1, 4096, 20);
    (*intents)->begin(2, 8192, 30);
    (*intents)->end(done);
  }
  {
    auto intents = write_intents::open(path);
    REQUIRE(intents);
    auto left = (*intents)->of(1);
    REQUIRE(left.size() == 1);
    CHECK(left[0].offset == 4096);
    CHECK(left[0].length == 20);
    (*intents)->clear_left(1);
    CHECK((*intents)->of(1).empty());
    CHECK((*intents)->of(2).size() == 1);
    CHECK((*intents)->overlaps(2, 8221, 1));
    CHECK_FALSE((*intents)->overlaps(2, 8222, 100));
    CHECK_FALSE((*intents)->overlaps(2, 0, 8192));
    CHECK_FALSE((*intents)->overlaps(1, 8192, 30));
  }
  std::filesystem::remove(path);
}

TEST_CASE("every slot of the write intents can be taken, and taken again") {
  auto path =
      std::filesystem::temp_directory_path() / ("foreshift-intents-" + std::to_string(::getpid()));
  auto intents = write_intents::open(path);
  REQUIRE(intents);
  std::set<std::uint32_t> taken;
  for (std::uint32_t i = 0; i < write_intents::slots; ++i)
    taken.insert((*intents)->begin(7, i * 10, 10));
  CHECK(taken.size() == write_intents::slots);
  CHECK((*intents)->of(7).size() == write_intents::slots);
  (*intents)->end(1234);
  CHECK((*intents)->begin(8, 0, 1) == 1234);
  for (auto slot : taken)
    (*intents)->end(slot);
  CHECK((*intents)->empty());
  std::filesystem::remove(path);
}

TEST_CASE("lease records read back and rubbish does not") {
  for (auto state : {schema::LeaseState::STANDBY, schema::LeaseState::PRIMARY,
                     schema::LeaseState::DRAINING, schema::LeaseState::DEACTIVATED}) {
    lease_record record{state, 12345678901234ull};
    CHECK(decode_lease(encode(record)) == record);
  }
  for (auto text : {"", "primary", "primary ", "primary x", "prim 1", "primary 1 "})
    CHECK_FALSE(decode_lease(text).has_value());
}

TEST_CASE("addresses split at the last colon") {
  CHECK(*split_address("127.0.0.1:10809")
        == std::pair<std::string, std::string>{"127.0.0.1", "10809"});
  CHECK(*split_address("[::1]:7") == std::pair<std::string, std::string>{"::1", "7"});
  CHECK(split_address("host").error().code == errc::invalid);
  CHECK(split_address("host:").error().code == errc::invalid);
  CHECK(peer_export_name({"b", "", 3, 9, "a", 4}, 5) == "peer:3:9:a:4:5");
}

TEST_CASE("session line: a later session waits for the earlier ones and ends them") {
  session_line line;
  REQUIRE(line.open(5));
  REQUIRE(line.open(5)); // another connection of the same session
  auto request = line.enter(5);
  REQUIRE(request);
  std::atomic<bool> opened{false};
  std::thread later{[&] {
    CHECK(line.open(6));
    opened = true;
  }};
  while (line.enter(5)) // until the later one has come
    std::this_thread::yield();
  CHECK_FALSE(opened);
  CHECK_FALSE(line.enter(6));
  request.reset();
  later.join();
  CHECK(line.enter(6));
  CHECK_FALSE(line.enter(5));
  CHECK(line.open(5).error().code == errc::refused);
}

TEST_CASE("session numbers: those of a later process are higher") {
  auto directory =
      std::filesystem::temp_directory_path() / ("foreshift-sessions-" + std::to_string(::getpid()));
  auto numbers = [&] {
    auto store = *extent_store::open({directory.string(), 0});
    auto counter = *session_numbers(*store);
    counter->fetch_add(1000);
    return counter->load();
  };
  auto first = numbers();
  CHECK(first > 1000);
  CHECK(numbers() - 1000 > first);
  std::filesystem::remove_all(directory);
}

TEST_CASE("access ring: one of no capacity keeps nothing and counts nothing as lost") {
  access_ring off{0};
  off.put({.at_ns = 1, .sector = 2, .bytes = 4096});
  CHECK_FALSE(off.pending());
  CHECK(off.take(10).empty());
  CHECK(off.dropped() == 0);
}
