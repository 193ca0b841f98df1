// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/agent_store.hpp"
#include "tests/actors/agent/scratch.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<agent_store> open(const std::string& path, std::uint64_t bytes_max = 1u << 20,
                                  std::chrono::milliseconds age_max = 1h) {
  auto opened = open_agent_store({path, bytes_max, age_max});
  REQUIRE(opened);
  return *std::move(opened);
}

log_segment segment(std::int64_t start_ms, std::size_t bytes) {
  return {start_ms, 7, 10, std::string(bytes, 'x')};
}

} // namespace

TEST_CASE("a record survives a reopened store and an unknown one is not found") {
  test::scratch dir;
  {
    auto uut = open(dir.path());
    CHECK(uut->put("token", "42", agent_store::durability::power));
  }
  auto uut = open(dir.path());
  auto got = uut->get("token");
  REQUIRE(got);
  CHECK(*got == "42");
  CHECK(uut->get("absent").error().code == errc::not_found);
}

TEST_CASE("a second agent on the same database is refused as busy") {
  test::scratch dir;
  auto first = open(dir.path());
  auto second = open_agent_store({dir.path()});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::busy);
}

TEST_CASE("the log keeps its totals over a restart and reads oldest first") {
  test::scratch dir;
  {
    auto uut = open(dir.path());
    CHECK(uut->append({segment(2000, 100), segment(1000, 50)}, 3000));
  }
  auto uut = open(dir.path());
  CHECK(uut->totals().segments == 2);
  CHECK(uut->totals().records == 20);
  CHECK(uut->totals().bytes == 166);
  auto log = uut->log(0, 10);
  REQUIRE(log);
  REQUIRE(log->size() == 2);
  CHECK((*log)[0].start_ms == 1000);
  CHECK((*log)[0].body.size() == 50);
  CHECK(uut->log(1500, 10)->size() == 1);
}

TEST_CASE("the log never outgrows its size: the oldest segments go first") {
  test::scratch dir;
  auto uut = open(dir.path(), 1000);
  for (int i = 0; i < 20; ++i)
    CHECK(uut->append({segment(1000 + i, 192)}, 2000));
  CHECK(uut->totals().bytes <= 1000);
  auto log = uut->log(0, 100);
  REQUIRE(log);
  CHECK(log->size() == uut->totals().segments);
  CHECK(log->back().start_ms == 1019);
  CHECK(log->front().start_ms == 1015);
}

TEST_CASE("segments older than the age limit are erased") {
  test::scratch dir;
  auto uut = open(dir.path(), 1u << 20, 10s);
  CHECK(uut->append({segment(1000, 10)}, 1000));
  CHECK(uut->append({segment(120'000, 10)}, 120'000));
  auto log = uut->log(0, 100);
  REQUIRE(log);
  REQUIRE(log->size() == 1);
  CHECK((*log)[0].start_ms == 120'000);
  CHECK(uut->totals().segments == 1);
}
