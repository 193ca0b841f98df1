// SPDX-License-Identifier: Apache-2.0
#include "core/store/store.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

using namespace foreshift;
namespace fs = std::filesystem;

namespace {

/// A directory that goes away with the test.
struct temp_dir {
  fs::path path;
  temp_dir() {
    auto pattern = (fs::temp_directory_path() / "foreshift-store-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~temp_dir() { fs::remove_all(path); }
  std::string db() const { return (path / "parent" / "store").string(); }
};

struct memory_engine {
  std::unique_ptr<store> records = make_memory_store();
};

struct embedded_engine {
  temp_dir dir;
  std::unique_ptr<store> records = *open_embedded_store(dir.db());
};

result<std::uint64_t> apply(store& in, std::vector<compare> compares, std::vector<store_op> ops) {
  return in.txn(compares, ops);
}

std::vector<stored> list(const store& in, std::string_view prefix) {
  auto got = in.range(prefix);
  REQUIRE(got);
  return *std::move(got);
}

std::map<std::string, std::string> all(const store& in, std::string_view prefix = "") {
  std::map<std::string, std::string> out;
  for (const auto& record : list(in, prefix))
    out[record.key] = record.value;
  return out;
}

} // namespace

TEST_CASE_TEMPLATE("store: a transaction writes and erases all of its keys at one revision", Engine,
                   memory_engine, embedded_engine) {
  Engine engine;
  auto& records = *engine.records;
  auto first = apply(records, {}, {{"a", "1"}, {"b", std::string("\0x", 2)}, {"c", ""}});
  REQUIRE(first);
  auto got = list(records, "");
  REQUIRE(got.size() == 3);
  for (const auto& record : got)
    CHECK(record.revision == *first);
  CHECK(got[1].value == std::string("\0x", 2));
  CHECK(got[2].value.empty());
  auto second = apply(records, {}, {{"a", std::nullopt}, {"b", "2"}, {"nothing", std::nullopt}});
  REQUIRE(second);
  CHECK(*second > *first);
  CHECK(all(records) == std::map<std::string, std::string>{{"b", "2"}, {"c", ""}});
  CHECK(list(records, "c").front().revision == *first);
}

TEST_CASE_TEMPLATE("store: compares hold on exact revisions, and 0 means absent", Engine,
                   memory_engine, embedded_engine) {
  Engine engine;
  auto& records = *engine.records;
  auto first = apply(records, {{"lease", 0}}, {{"lease", "a"}});
  REQUIRE(first);
  auto twice = apply(records, {{"lease", 0}}, {{"lease", "b"}});
  REQUIRE_FALSE(twice);
  CHECK(twice.error().code == errc::refused);
  CHECK(twice.error().detail.find("'lease'") != std::string::npos);
  CHECK_FALSE(apply(records, {{"lease", *first + 1}}, {{"lease", "b"}}));
  auto second = apply(records, {{"lease", *first}}, {{"lease", "b"}});
  REQUIRE(second);
  CHECK_FALSE(apply(records, {{"lease", *first}}, {{"lease", "c"}}));
  REQUIRE(apply(records, {{"lease", *second}}, {{"lease", std::nullopt}}));
  CHECK_FALSE(apply(records, {{"lease", *second}}, {{"lease", "c"}}));
  CHECK(apply(records, {{"lease", 0}}, {{"lease", "c"}}));
}

TEST_CASE_TEMPLATE("store: one failed compare of many writes nothing", Engine, memory_engine,
                   embedded_engine) {
  Engine engine;
  auto& records = *engine.records;
  auto first = apply(records, {}, {{"a", "1"}, {"b", "1"}});
  REQUIRE(first);
  REQUIRE_FALSE(apply(records, {{"a", *first}, {"b", *first + 7}},
                      {{"a", "2"}, {"b", std::nullopt}, {"new", "x"}}));
  CHECK(all(records) == std::map<std::string, std::string>{{"a", "1"}, {"b", "1"}});
  auto checked = apply(records, {{"a", *first}}, {});
  REQUIRE(checked);
  CHECK(*checked == *first);
}

TEST_CASE_TEMPLATE("store: a range is sorted and keeps to its prefix", Engine, memory_engine,
                   embedded_engine) {
  Engine engine;
  auto& records = *engine.records;
  REQUIRE(apply(records, {},
                {{"v/2", "b"},
                 {"v/1", "a"},
                 {"v", "?"},
                 {"w/1", "c"},
                 {"v/10", "d"},
                 {"v/\xff", "e"},
                 {"u/1", "f"}}));
  std::string keys;
  for (const auto& record : list(records, "v/"))
    keys += record.key + " ";
  CHECK(keys == "v/1 v/10 v/2 v/\xff ");
  CHECK(list(records, "none").empty());
  CHECK(list(records, "").size() == 7);
  CHECK(list(records, "m/").empty()); // an engine's own records are not anybody's
}

TEST_CASE_TEMPLATE("store: what cannot be meant is invalid", Engine, memory_engine,
                   embedded_engine) {
  Engine engine;
  for (const auto& got : {apply(*engine.records, {}, {{"", "x"}}),
                          apply(*engine.records, {}, {{"a", "1"}, {"a", "2"}}),
                          apply(*engine.records, {{"a", 0}, {"a", 1}}, {{"a", "1"}})}) {
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::invalid);
  }
  CHECK(all(*engine.records).empty());
}

TEST_CASE_TEMPLATE("store: any sequence of transactions equals a plain map", Engine, memory_engine,
                   embedded_engine) {
  Engine engine;
  std::mt19937_64 random{5};
  std::map<std::string, std::string> values;
  std::map<std::string, std::uint64_t> revisions;
  std::uint64_t last = 0;
  for (int step = 0; step < 200; ++step) {
    std::vector<compare> compares;
    std::vector<store_op> ops;
    bool holds = true;
    for (char name = 'a'; name < 'f'; ++name) {
      std::string key(1, name);
      if (random() % 4 == 0) {
        auto known = revisions.count(key) != 0 ? revisions[key] : 0;
        bool wrong = random() % 5 == 0;
        compares.push_back({key, known + (wrong ? 1 : 0)});
        holds = holds && !wrong;
      }
      if (random() % 3 == 0)
        ops.push_back(
            {key, random() % 4 == 0 ? std::nullopt : std::optional{std::to_string(random())}});
    }
    auto got = engine.records->txn(compares, ops);
    REQUIRE(static_cast<bool>(got) == holds);
    if (!holds || ops.empty())
      continue;
    CHECK(*got > last);
    last = *got;
    for (const auto& op : ops) {
      values.erase(op.key);
      revisions.erase(op.key);
      if (op.value) {
        values[op.key] = *op.value;
        revisions[op.key] = last;
      }
    }
    REQUIRE(all(*engine.records) == values);
  }
}

TEST_CASE_TEMPLATE("store: transactions of two threads happen one after the other", Engine,
                   memory_engine, embedded_engine) {
  Engine engine;
  auto& records = *engine.records;
  constexpr int increments = 50;
  REQUIRE(apply(records, {}, {{"count", "0"}, {"twin", "0"}}));
  auto work = [&] {
    for (int done = 0; done < increments;) {
      auto now = list(records, "count");
      auto next = std::to_string(std::stoi(now.front().value) + 1);
      if (apply(records, {{"count", now.front().revision}}, {{"count", next}, {"twin", next}}))
        ++done;
      auto both = all(records);
      if (both["count"] != both["twin"])
        return;
    }
  };
  std::thread other{work};
  work();
  other.join();
  auto end = all(records);
  CHECK(end["count"] == std::to_string(2 * increments));
  CHECK(end["twin"] == end["count"]);
}

TEST_CASE("store: the embedded engine keeps records, revisions and the counter over a reopening") {
  temp_dir dir;
  std::uint64_t revision = 0;
  {
    auto records = *open_embedded_store(dir.db());
    REQUIRE(apply(*records, {}, {{"a", "1"}}));
    revision = *apply(*records, {}, {{"b", "2"}});
  }
  auto records = *open_embedded_store(dir.db());
  auto got = list(*records, "");
  REQUIRE(got.size() == 2);
  CHECK(got[1].revision == revision);
  CHECK(*apply(*records, {{"b", revision}}, {{"b", "3"}}) == revision + 1);
}

[[noreturn]] static void write_and_die(const std::string& path) {
  auto records = open_embedded_store(path);
  bool written = records && apply(**records, {}, {{"a", "1"}}).operator bool();
  written = written && apply(**records, {}, {{"b", "2"}}).operator bool();
  if (written)
    kill(getpid(), SIGKILL);
  _exit(1);
}

TEST_CASE("store: what a transaction answered survives the process being killed") {
  temp_dir dir;
  auto child = fork();
  if (child == 0)
    write_and_die(dir.db());
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  auto records = open_embedded_store(dir.db());
  REQUIRE(records);
  CHECK(all(**records) == std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}});
}

TEST_CASE("store: the token grows with every opening") {
  temp_dir dir;
  std::uint64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    auto records = *open_embedded_store(dir.db());
    CHECK(records->token() > last);
    last = records->token();
    CHECK(all(*records).empty());
  }
  CHECK(make_memory_store()->token() > 0);
}

TEST_CASE("store: a directory has one owner and is private") {
  temp_dir dir;
  auto records = open_embedded_store(dir.db());
  REQUIRE(records);
  auto second = open_embedded_store(dir.db());
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::busy);
  // Another process sees the same.
  auto child = fork();
  if (child == 0) {
    auto got = open_embedded_store(dir.db());
    _exit(!got && got.error().code == errc::busy ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  struct stat info {};
  REQUIRE(stat(dir.db().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("store: a path that cannot be a directory is a storage fault") {
  temp_dir dir;
  auto file = dir.path / "file";
  std::ofstream{file} << "x";
  for (const auto& path : {file.string(), (file / "below").string()}) {
    auto got = open_embedded_store(path);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == errc::storage);
  }
}
