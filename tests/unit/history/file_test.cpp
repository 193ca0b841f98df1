// SPDX-License-Identifier: Apache-2.0
#include "core/history/file.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace foreshift;
using namespace foreshift::history;

namespace {

std::string refused(std::string_view line) {
  auto got = parse_line(line, 12);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::malformed);
  return got.error().detail;
}

/// A file that is gone at the end of the test.
struct scratch_file {
  explicit scratch_file(std::string_view text) {
    char name[] = "/tmp/foreshift-history.XXXXXX";
    auto fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::close(fd);
    path = name;
    std::ofstream{path} << text;
  }
  ~scratch_file() { std::remove(path.c_str()); }
  std::string path;
};

} // namespace

TEST_CASE("a line is what was written as a line") {
  for (auto text : {"3 write 17 9001 -5 2000 ok\n", "0 read 0 torn 1 1 ok\n",
                    "7 zero 18446744073709551615 0 1 - unknown\n", "7 read 1 0 1 2 failed\n"}) {
    auto op = parse_line(std::string_view{text}.substr(0, std::string_view{text}.size() - 1), 4);
    REQUIRE(op);
    REQUIRE(*op);
    CHECK((*op)->line == 4);
    CHECK(format_line(**op) == text);
  }
}

TEST_CASE("comments and empty lines mean nothing") {
  for (auto text : {"", "  ", "# 1 write", "\t# x", "\r"})
    CHECK_FALSE(parse_line(text, 1)->has_value());
  CHECK((*parse_line("1 write 2 3 4 5 ok # why", 1))->stamp == 3);
}

TEST_CASE("a malformed line is refused with its place") {
  CHECK(refused("x write 1 1 1 1 ok").starts_with("line 12, column 1: client number expected"));
  CHECK(refused("1 wrote 1 1 1 1 ok").starts_with("line 12, column 3: kind expected"));
  CHECK(refused("1 write 1 1 1").starts_with("line 12, column 14: end time expected"));
  CHECK(refused("1 write 1 1 5 4 ok").starts_with("line 12, column 15: it ends before it begins"));
  CHECK(refused("1 write 1 0 1 1 ok").starts_with("line 12, column 11: this stamp is reserved"));
  CHECK(refused("1 write 1 - 1 1 ok").starts_with("line 12, column 11: stamp expected"));
  CHECK(refused("1 zero 1 4 1 1 ok").starts_with("line 12, column 10: zeroes are stamp 0"));
  CHECK(refused("1 write 1 1 1 - ok").starts_with("line 12, column 17: what ended well"));
  CHECK(refused("1 write 1 1 1 1 ok 1").starts_with("line 12, column 20: nothing more expected"));
  CHECK(refused("1 write 1 99999999999999999999 1 1 ok").starts_with("line 12, column 11"));
}

TEST_CASE("a text is judged, or the first malformed line named") {
  auto good = check_text("1 write 4 9 1 2 ok\n2 read 4 9 3 4 ok\n");
  REQUIRE(good);
  CHECK_FALSE(good->first);
  auto bad = check_text("1 write 4 9 1 2 ok\n2 read 4 0 3 4 ok");
  REQUIRE(bad);
  REQUIRE(bad->first);
  CHECK(bad->first->conflict.back().line == 2);
  CHECK(check_text("1 write 4 9 1 2 ok\n\nx").error().detail.starts_with("line 3, column 1"));
}

TEST_CASE("a file is judged the same in one part and in many") {
  std::string text;
  for (int block = 0; block < 50; ++block) {
    auto b = std::to_string(block);
    text += "1 write " + b + " 9 1 2 ok\n";
    text += "2 read " + b + (block == 31 || block == 44 ? " 0" : " 9") + " 3 4 ok\n";
  }
  scratch_file file{text};
  for (std::uint64_t at_once : {1'000u, 30u, 1u}) {
    auto found = check_file(file.path, at_once);
    REQUIRE(found);
    CHECK(found->operations == 100);
    CHECK(found->blocks == 50);
    CHECK(found->reads == 50);
    REQUIRE(found->first);
    CHECK(found->first->block == 31);
  }
  CHECK(check_file(file.path + ".none").error().code == errc::not_found);
}
