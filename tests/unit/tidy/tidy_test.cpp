// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

constexpr std::size_t file_lines_max = 400;
constexpr std::size_t line_columns_max = 100;
constexpr std::size_t violations_shown_max = 8;

/// Text that may not occur below a folder. All headers of CAF, RocksDB and capnp lie in the
/// system's include folder, so link lines protect no layer. Texts are split where this file would
/// ban itself.
struct ban {
  std::string_view folder;
  std::string_view text;
  std::string_view why;
  std::string_view except = "-";
};

constexpr std::string_view time_why = "time comes from clock_source";
constexpr std::string_view sleep_call = "this_thread::"
                                        "sleep";
constexpr std::string_view clock_file = "core/base/clock.cpp";

constexpr ban bans[] = {
    {"core/", "#include <caf/", "core knows no actors"},
    {"core/", "#include \"caf/", "core knows no actors"},
    {"schemas/", "caf/", "schemas know no actors"},
    {"core/", "#include \"actors/", "arrows point from actors to core"},
    {"core/", "#include \"agents/", "arrows point from agents to core"},
    {"actors/", "#include \"agents/", "arrows point from agents to actors"},
    {"core/", "_clock::now(", time_why, clock_file},
    {"core/", "clock_gettime(", time_why, clock_file},
    {"core/", "gettimeofday(", time_why, clock_file},
    {"core/", "std::time(", time_why, clock_file},
    {"actors/", "_clock::now(", time_why},
    {"actors/", "clock_gettime(", time_why},
    {"actors/", "gettimeofday(", time_why},
    {"core/", sleep_call, "wait for an event, not for time to pass"},
    {"core/", "usleep(", "wait for an event, not for time to pass"},
    {"core/", "nanosleep(", "wait for an event, not for time to pass"},
    {"actors/", sleep_call, "actors never block"},
    {"actors/", "usleep(", "actors never block"},
    {"tests/unit/", sleep_call, "unit tests own their time"},
    {"tests/actors/", sleep_call, "actor tests own their time"},
    {"",
     "TO"
     "DO",
     "finish it or open an issue"},
    {"",
     "FIX"
     "ME",
     "finish it or open an issue"},
    {"",
     "/wo"
     "rk/",
     "a path of one machine"},
    {"",
     "/ro"
     "ot/",
     "a path of one machine"},
};

bool is_code(const fs::path& path) {
  auto ends = [&](std::initializer_list<std::string_view> all) {
    return std::any_of(all.begin(), all.end(), [&](auto x) { return path.extension() == x; });
  };
  return ends({".hpp", ".cpp", ".h", ".c", ".capnp", ".cmake", ".sh", ".py"})
         || path.filename() == "CMakeLists.txt";
}

/// Characters, not bytes: continuation bytes of UTF-8 take no column.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

/// Everything wrong with a file, one sentence each; `name` is relative to the source tree.
std::vector<std::string> violations(std::string_view name, std::string_view text) {
  std::vector<std::string> out;
  std::istringstream in{std::string{text}};
  std::size_t number = 0;
  std::size_t license_line = 1;
  bool licensed = false;
  for (std::string line; std::getline(in, line);) {
    ++number;
    auto at = "line " + std::to_string(number) + ": ";
    if (number == 1 && line.starts_with("#!"))
      license_line = 2;
    if (number == license_line)
      licensed = line.find("SPDX-License-Identifier: Apache-2.0") != std::string::npos;
    if (auto width = columns(line); width > line_columns_max)
      out.push_back(at + std::to_string(width) + " columns");
    if (line.ends_with(' ') || line.ends_with('\t') || line.ends_with('\r'))
      out.push_back(at + "space at the end");
    for (const auto& rule : bans)
      if (name.starts_with(rule.folder) && name != rule.except
          && line.find(rule.text) != std::string::npos)
        out.push_back(at + "'" + std::string{rule.text} + "': " + std::string{rule.why});
  }
  if (!licensed)
    out.push_back("no SPDX license line at the top");
  if (number > file_lines_max)
    out.push_back(std::to_string(number) + " lines; split the file ("
                  + std::to_string(file_lines_max) + " at most)");
  if (!text.empty() && !text.ends_with('\n'))
    out.push_back("no newline at the end");
  return out;
}

std::string read(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<fs::path> sources() {
  const fs::path root{SOURCE_DIR};
  std::vector<fs::path> out;
  for (const auto* file : {"CMakeLists.txt", "dev", ".ci/run"})
    if (fs::exists(root / file))
      out.push_back(root / file);
  for (const auto* layer : {"core", "actors", "agents", "tests", "schemas"}) {
    REQUIRE(fs::exists(root / layer));
    for (const auto& entry : fs::recursive_directory_iterator{root / layer})
      if (entry.is_regular_file() && is_code(entry.path()))
        out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool breaks(std::string_view name, const std::string& line) {
  return !violations(name, "// SPDX-License-Identifier: Apache-2.0\n" + line + "\n").empty();
}

} // namespace

TEST_CASE("tidy: the rules catch what they are for") {
  CHECK_FALSE(breaks("core/x.cpp", "int x = 0;"));
  CHECK(breaks("core/x.cpp", "#include <caf/all.hpp>"));
  CHECK_FALSE(breaks("actors/x.cpp", "#include <caf/all.hpp>"));
  CHECK(breaks("core/x.cpp", "#include \"actors/base/verbs.hpp\""));
  CHECK(breaks("actors/x.cpp", "#include \"agents/cli/main.hpp\""));
  CHECK_FALSE(breaks("agents/x.cpp", "#include \"actors/base/verbs.hpp\""));
  CHECK(breaks("core/x.cpp", "auto t = std::chrono::steady_clock::now();"));
  CHECK(breaks("actors/x.cpp", "auto t = std::chrono::steady_clock::now();"));
  CHECK(breaks("core/x.cpp", "clock_gettime(CLOCK_BOOTTIME, &t);"));
  CHECK_FALSE(breaks("core/base/clock.cpp", "clock_gettime(which, &t);"));
  CHECK(breaks("core/x.cpp", "std::this_thread::"
                             "sleep_for(1s);"));
  CHECK(breaks("tests/unit/x_test.cpp", "std::this_thread::"
                                        "sleep_for(1s);"));
  CHECK(breaks("agents/x.cpp", "// TO"
                               "DO: later"));
  CHECK(breaks("agents/x.cpp", "int x = 0; "));
  CHECK(breaks("agents/x.cpp", std::string(line_columns_max + 1, 'x')));
  CHECK_FALSE(breaks("agents/x.cpp", std::string(line_columns_max, 'x')));
  CHECK_FALSE(breaks("agents/x.cpp", std::string(line_columns_max - 1, 'x') + "\xc3\xa9"));
  std::string lines;
  for (std::size_t i = 1; i < file_lines_max; ++i)
    lines += i == 1 ? "x" : "\nx";
  CHECK_FALSE(breaks("agents/x.cpp", lines));
  CHECK(breaks("agents/x.cpp", lines + "\nx"));
  CHECK_FALSE(violations("core/x.cpp", "int x;\n").empty());
  CHECK_FALSE(violations("core/x.cpp", "// SPDX-License-Identifier: Apache-2.0\nint x;").empty());
  CHECK(violations("dev", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n").empty());
}

TEST_CASE("tidy: files are licensed, short, narrow and respect the layers") {
  auto all = sources();
  REQUIRE(all.size() > 20);
  for (const auto& path : all) {
    auto name = fs::relative(path, SOURCE_DIR).generic_string();
    auto found = violations(name, read(path));
    std::string message = name + ":";
    for (std::size_t i = 0; i < std::min(found.size(), violations_shown_max); ++i)
      message += "\n  " + found[i];
    if (found.size() > violations_shown_max)
      message += "\n  and " + std::to_string(found.size() - violations_shown_max) + " more";
    CHECK_MESSAGE(found.empty(), message);
  }
}

TEST_CASE("tidy: the changelog has a section to write into or a release") {
  auto path = fs::path{SOURCE_DIR} / "CHANGELOG.md";
  REQUIRE_MESSAGE(fs::exists(path), "CHANGELOG.md is missing");
  const std::regex heading{R"((^|\n)## \[?(Unreleased|\d+\.\d+\.\d+))"};
  CHECK_MESSAGE(std::regex_search(read(path), heading),
                "CHANGELOG.md has neither '## Unreleased' nor a version heading");
}
