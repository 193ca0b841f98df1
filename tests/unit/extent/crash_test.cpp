// SPDX-License-Identifier: Apache-2.0
#include "core/extent/intent_log.hpp"
#include "tests/unit/extent/fixture.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>

using namespace foreshift;
using namespace foreshift::test;

extern char** environ;

namespace {

constexpr auto directory_variable = "FORESHIFT_TEST_EXTENT_DIRECTORY";
constexpr std::size_t writer_bytes = 96 * kib; // spans extents, ends inside of one
constexpr std::uint64_t lanes = 2;
constexpr std::uint64_t cycle = 64; // contents repeat after as many writes, places after 8

/// Runs one (skipped) test case of this program as a process of its own, its standard output a
/// pipe.
struct child_process {
  explicit child_process(const char* test_case, const std::string& directory) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    ::setenv(directory_variable, directory.c_str(), 1);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    auto filter = std::string("--test-case=") + test_case;
    std::string program = "/proc/self/exe", no_skip = "--no-skip";
    std::array<char*, 4> arguments{program.data(), filter.data(), no_skip.data(), nullptr};
    REQUIRE(::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ)
            == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output = ends[0];
  }

  /// Reads acknowledgements, one byte each, until there are `count` or the child ended.
  std::string take(std::size_t count) {
    std::string out;
    char byte = 0;
    while (out.size() < count && ::read(output, &byte, 1) == 1)
      out.push_back(byte);
    return out;
  }

  std::string kill_and_take_rest() {
    ::kill(pid, SIGKILL);
    auto out = take(~std::size_t{0});
    ::close(output);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFSIGNALED(status));
    return out;
  }

  pid_t pid = 0;
  int output = -1;
};

std::uint64_t lane_offset(std::uint64_t lane, std::uint64_t turn) {
  return lane * 32 * extent_size + turn % 8 * writer_bytes;
}

} // namespace

TEST_CASE("child: writes and acknowledges until it is killed" * doctest::skip()) {
  const auto* directory = std::getenv(directory_variable);
  if (!directory)
    return;
  auto store = *extent_store::open({directory, 0});
  auto volume = *store->volume(all_home());
  if (!volume->promote(3, "host-b"))
    std::abort();
  std::vector<bytes> contents; // made before, so that a kill mostly lands inside of a write
  for (std::uint64_t turn = 0; turn < cycle; ++turn)
    contents.push_back(noise(writer_bytes, turn));
  auto work = [&](std::uint64_t lane) {
    for (std::uint64_t turn = 0;; ++turn) {
      if (!volume->write({3, 0}, lane_offset(lane, turn), contents[turn % cycle]))
        std::abort();
      char acknowledged = static_cast<char>('a' + lane);
      if (::write(1, &acknowledged, 1) != 1)
        std::abort();
    }
  };
  std::thread other(work, 1);
  work(0);
}

TEST_CASE(
    "crash: after kill -9 without a flush nothing acknowledged is lost and nothing looks corrupt") {
  for (std::size_t round = 0; round < 6; ++round) {
    CAPTURE(round);
    temp_directory directory;
    child_process child("child: writes and acknowledges*", directory / "data");
    auto seen = child.take(10 + round * 7);
    seen += child.kill_and_take_rest();
    auto store = *extent_store::open({directory / "data", 0});
    auto volume = *store->volume(all_home());
    CHECK(volume->fence().epoch == 3);
    bytes all(64 * extent_size);
    auto verified = volume->read_verified(0, all);
    CHECK_MESSAGE(verified, detail_of(verified));
    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
      auto done = static_cast<std::uint64_t>(
          std::count(seen.begin(), seen.end(), static_cast<char>('a' + lane)));
      // The write after the last acknowledged one may be there, half or whole: it hits the oldest
      // of the eight places.
      for (auto turn = done > 6 ? done - 6 : 0; turn < done; ++turn) {
        auto at = all.begin() + static_cast<std::ptrdiff_t>(lane_offset(lane, turn));
        CHECK(bytes(at, at + writer_bytes) == noise(writer_bytes, turn % cycle));
      }
    }
  }
}

TEST_CASE("intent log: what is claimed is left over, what is released is not") {
  temp_directory directory;
  auto path = directory / "intents";
  {
    auto log = *intent_log::open(real_disk(), path, 100);
    CHECK(log->leftover().empty());
    auto done = log->begin({1, 2, 3});
    {
      auto second = log->begin({4, 5, 6});
      auto moved = std::move(second);
    }
    auto copy = *intent_log::open(real_disk(), path, 100); // as the file looks to the next process
    CHECK(copy->leftover() == std::vector<intent>{{1, 2, 3}});
    copy->settle();
    CHECK(copy->leftover().empty());
  }
  CHECK((*intent_log::open(real_disk(), path, 100))->leftover().empty());
}

TEST_CASE("intent log: more claims than slots wait for one another") {
  temp_directory directory;
  auto log = *intent_log::open(real_disk(), directory / "intents", 64);
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&log, i] {
      for (int turn = 0; turn < 500; ++turn) {
        std::vector<intent_log::claim> held;
        for (int n = 0; n < 16; ++n) // four times sixteen is just what there is
          held.push_back(log->begin({i + 1, 0, 0}));
      }
    });
  for (auto& thread : threads)
    thread.join();
  std::vector<intent_log::claim> all;
  for (int n = 0; n < 64; ++n)
    all.push_back(log->begin({9, 0, 0}));
  CHECK((*intent_log::open(real_disk(), directory / "intents", 64))->leftover().size() == 64);
  std::thread waiter([&log] { auto last = log->begin({10, 0, 0}); });
  all.pop_back();
  waiter.join();
}
