// SPDX-License-Identifier: Apache-2.0
#include "core/base/config.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace foreshift;
using namespace std::chrono_literals;

namespace {

struct options {
  std::string level = "info";
  std::string name;
  std::vector<std::string> peers{"b:7401"};
  bool tls = false;
  std::uint64_t threads = 2;
  std::uint64_t rate = 64u << 20;
  std::chrono::milliseconds hold = 30s;
  double gate = 0.9;

  friend bool operator==(const options&, const options&) = default;
};

void bind(config_reader& in, options& to) {
  in.text("level", to.level, "how much to log");
  in.text("host.name", to.name, "name of this host, unique in the cell");
  in.texts("host.peers", to.peers, "other hosts");
  in.flag("door.tls", to.tls, "ask for certificates");
  in.number("door.threads", to.threads, 1, 64, "how many threads serve");
  in.bytes("moves.rate", to.rate, "bytes per second for background moves");
  in.duration("moves.hold", to.hold, "how long an extent stays put\nafter a move");
  in.share("moves.gate", to.gate, "coverage to wait for");
}

std::string error_of(std::string_view toml) {
  config_reader in;
  options got;
  bind(in, got);
  auto ok = in.read_text(toml, "agent.toml");
  REQUIRE_FALSE(ok);
  CHECK(ok.error().code == errc::invalid);
  CHECK(got == options{});
  return ok.error().detail;
}

} // namespace

TEST_CASE("config: reads every kind of value, from tables and dotted keys alike") {
  config_reader in;
  options got;
  bind(in, got);
  auto ok = in.read_text("level = 'debug'\n"
                         "door.tls = true\n"
                         "door.threads = 8\n"
                         "[host]\n"
                         "name = \"host-a\"\n"
                         "peers = [\"b:1\", \"c:1\"]\n"
                         "[moves]\n"
                         "rate = \"8MiB\"\nhold = \"5m\"\ngate = \"75%\"\n",
                         "agent.toml");
  REQUIRE_MESSAGE(ok, (ok ? "" : ok.error().detail));
  CHECK(got == options{"debug", "host-a", {"b:1", "c:1"}, true, 8, 8u << 20, 5min, 0.75});
}

TEST_CASE("config: sizes, durations and shares may be plain numbers") {
  config_reader in;
  options got;
  bind(in, got);
  REQUIRE(in.read_text("[moves]\nrate = 4096\nhold = 7\ngate = 1\n", "agent.toml"));
  CHECK(got.rate == 4096);
  CHECK(got.hold == 7s);
  CHECK(got.gate == 1.0);
  REQUIRE(in.read_text("moves.gate = 0.25", "agent.toml"));
  CHECK(got.gate == 0.25);
}

TEST_CASE("config: keys not in the file keep their defaults") {
  config_reader in;
  options got;
  bind(in, got);
  REQUIRE(in.read_text("[host]\n", "agent.toml"));
  CHECK(got == options{});
}

TEST_CASE("config: an unknown key names the nearest known one and its line") {
  CHECK(error_of("[moves]\nrat = 1\n")
        == "agent.toml:2: unknown key 'moves.rat'; did you mean 'moves.rate'?");
  CHECK(error_of("\n\nlevle = 'x'\n")
        == "agent.toml:3: unknown key 'levle'; did you mean 'level'?");
  CHECK(error_of("[movse]\nhold = 1\n")
        == "agent.toml:2: unknown key 'movse.hold'; did you mean 'moves.hold'?");
  CHECK(error_of("threads = 3\n")
        == "agent.toml:1: unknown key 'threads'; did you mean 'door.threads'?");
  CHECK(error_of("[extra]\n").starts_with("agent.toml:1: unknown key 'extra'"));
  CHECK(error_of("\"moves.rate\" = 1\n").starts_with("agent.toml:1: unknown key"));
}

TEST_CASE("config: a wrong type says what is expected and what was given") {
  CHECK(error_of("level = 3") == "agent.toml:1: 'level': expects a string, not 3");
  CHECK(error_of("[host]\npeers = 'b'")
        == "agent.toml:2: 'host.peers': expects an array of strings, not a string");
  CHECK(error_of("host.peers = ['b', 1]")
        == "agent.toml:1: 'host.peers': expects an array of strings, not an array");
  CHECK(error_of("door.tls = 'yes'")
        == "agent.toml:1: 'door.tls': expects true or false, not a string");
  CHECK(error_of("door.threads = 2.5")
        == "agent.toml:1: 'door.threads': expects a whole number from 1 to 64, not a fraction");
  CHECK(error_of("moves.rate = true").find("a size like \"64MiB\"") != std::string::npos);
  CHECK(error_of("moves.hold = 2020-01-01").find("not a date or time") != std::string::npos);
  CHECK(error_of("[level]\nx = 1").find("'level': expects a string, not a table")
        != std::string::npos);
}

TEST_CASE("config: out of range says the range") {
  CHECK(error_of("door.threads = 65")
        == "agent.toml:1: 'door.threads': expects a whole number from 1 to 64, not 65");
  CHECK(error_of("door.threads = -1").ends_with("from 1 to 64, not -1"));
  CHECK(error_of("moves.rate = -1").ends_with("at least 0, not -1"));
  CHECK(error_of("moves.gate = 1.5").find("a number from 0 to 1") != std::string::npos);
  CHECK(error_of("moves.gate = nan").find("a number from 0 to 1") != std::string::npos);
  CHECK(error_of("moves.hold = 9223372036854775807").find("expects a duration")
        != std::string::npos);
}

TEST_CASE("config: a string that does not parse says how to write it") {
  CHECK(error_of("moves.rate = '1.5GiB'").find("agent.toml:1: 'moves.rate': '1.5GiB'") == 0);
  CHECK(error_of("moves.hold = '5 parsecs'").find("write it like") != std::string::npos);
  CHECK(error_of("moves.gate = '110%'").find("write it like 90%") != std::string::npos);
}

TEST_CASE("config: broken TOML is reported with its line") {
  CHECK(error_of("level = 'a'\nlevel = 'b'\n").starts_with("agent.toml:2: "));
  CHECK(error_of("level = \n").starts_with("agent.toml:1: "));
  CHECK(error_of("level = '\xff'\n").starts_with("agent.toml:1: "));
  CHECK(error_of("[host\n").starts_with("agent.toml:1: "));
}

TEST_CASE("config: of several errors the first in the file is reported") {
  CHECK(error_of("zzz = 1\naaa = 1\n").starts_with("agent.toml:1: "));
  CHECK(error_of("[moves]\nhold = 1\nrate = true\n[door]\nthreads = 0\n")
            .starts_with("agent.toml:3: "));
}

TEST_CASE("config: a required key that is missing or empty is an error") {
  config_reader in;
  options got;
  bind(in, got);
  in.require("host.name");
  auto missing = in.read_text("level = 'a'\n\n[host]\npeers = []\n", "agent.toml");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().detail
        == "agent.toml:3: 'host.name' is missing (name of this host, unique in the cell)");
  auto no_table = in.read_text("level = 'a'\n", "agent.toml");
  REQUIRE_FALSE(no_table);
  CHECK(no_table.error().detail.starts_with("agent.toml:1: 'host.name' is missing"));
  CHECK(got == options{});
  auto empty = in.read_text("level = 'a'\nhost.name = ''\n", "agent.toml");
  REQUIRE_FALSE(empty);
  CHECK(empty.error().detail
        == "agent.toml:2: 'host.name': must not be empty (name of this host, unique in the cell)");
  CHECK(got == options{});
  CHECK(in.read_text("host.name = 'a'", "agent.toml"));
}

TEST_CASE("config: the example parses and says the current values") {
  options written{"a \"quoted\" \\ path\twith\x7f",
                  "host-a",
                  {"b", "c\n"},
                  true,
                  64,
                  3 * 1024 + 1,
                  90s,
                  1.0 / 3};
  config_reader out;
  bind(out, written);
  out.require("host.name");
  auto text = out.example();
  config_reader in;
  options got;
  bind(in, got);
  auto ok = in.read_text(text, "example");
  REQUIRE_MESSAGE(ok, (ok ? "" : ok.error().detail + "\n" + text));
  CHECK(got == written);
  CHECK(text.find("# how long an extent stays put\n# after a move\nhold = \"90s\"\n")
        != std::string::npos);
  CHECK(text.find("unique in the cell (required)\n") != std::string::npos);
}

TEST_CASE("config: the example of extreme values parses too") {
  options written{"", "", {}, false, 1, 0, 0ms, 1e-9};
  config_reader out;
  bind(out, written);
  config_reader in;
  options got;
  bind(in, got);
  auto ok = in.read_text(out.example(), "example");
  REQUIRE_MESSAGE(ok, (ok ? "" : ok.error().detail));
  CHECK(got == written);
  written.rate = 18446744073709551615u;
  written.gate = 1;
  REQUIRE(in.read_text(out.example(), "example"));
  CHECK(got == written);
}

TEST_CASE("config: a reader without keys refuses any key and takes an empty file") {
  config_reader in;
  CHECK(in.read_text("", "x"));
  CHECK(in.example().empty());
  auto bad = in.read_text("a = 1", "x");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().detail == "x:1: unknown key 'a'");
}

TEST_CASE("config: files are read, and those that cannot be are named") {
  auto path = std::filesystem::temp_directory_path()
              / ("foreshift-config-" + std::to_string(getpid()) + ".toml");
  std::ofstream(path) << "level = 'debug'\n[door]\ntreads = 1\n";
  config_reader in;
  options got;
  bind(in, got);
  auto bad = in.read_file(path);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().detail
        == path.string() + ":3: unknown key 'door.treads'; did you mean 'door.threads'?");
  std::ofstream(path) << "level = 'debug'\n";
  CHECK(in.read_file(path));
  CHECK(got.level == "debug");
  std::ofstream(path) << std::string((1u << 20) + 1, '\n');
  CHECK_FALSE(in.read_file(path));
  std::filesystem::remove(path);
  auto gone = in.read_file(path);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == errc::invalid);
  CHECK(gone.error().detail.find(path.string()) == 0);
  CHECK_FALSE(in.read_file(std::filesystem::temp_directory_path()));
}
