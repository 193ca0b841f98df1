// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tests/unit/volume/gateway_fixture.hpp"

using namespace foreshift;
using namespace foreshift::test;

namespace {

constexpr std::uint64_t block = block_bytes;

struct written_fixture : gateway_fixture {
  explicit written_fixture(std::uint32_t replicas = 2) : gateway_fixture({"a", "b"}, replicas) {
    attach();
    for (int i = 0; i < 16; ++i)
      REQUIRE(gate->write(1, static_cast<std::uint64_t>(i) * block, test::filled(block, i + 1)));
  }

  bool good(const std::string& host) const {
    auto content = hosts.at(host)->content();
    for (std::size_t i = 0; i < 16; ++i)
      if (content[i * block] != static_cast<std::byte>(i + 1)
          || content[(i + 1) * block - 1] != static_cast<std::byte>(i + 1))
        return false;
    return true;
  }
};

} // namespace

TEST_CASE("a corrupt block is read from another replica and rewritten where it was corrupt") {
  for (std::string where : {"a", "b"}) {
    CAPTURE(where);
    written_fixture x;
    x.hosts[where]->corrupt(3);
    std::vector<std::byte> out(4 * block);
    REQUIRE(x.gate->read(1, 2 * block + 100, out));
    CHECK(out.front() == std::byte{3});
    CHECK(out[block] == std::byte{4});
    replica_io::mending notes; // b's copy is not read by clients while a has a good one
    REQUIRE(x.gate->mend_extent(0, notes));
    CHECK(x.good(where));
    CHECK(x.gate->repaired() == 1);
    CHECK(x.gate->lost() == 0);
    CHECK(x.gate->counters().errors == 0);
  }
}

TEST_CASE("replicas that are corrupt in different blocks mend each other") {
  written_fixture x;
  x.hosts["a"]->corrupt(1);
  x.hosts["a"]->corrupt(7);
  x.hosts["b"]->corrupt(2);
  std::vector<std::byte> out(16 * block);
  REQUIRE(x.gate->read(1, 0, out));
  for (std::size_t i = 0; i < 16; ++i)
    CHECK(out[i * block + 5] == static_cast<std::byte>(i + 1));
  CHECK(x.good("a"));
  CHECK(x.good("b"));
  CHECK(x.gate->repaired() == 3);
}

TEST_CASE("a partial write of a corrupt block mends it first") {
  for (std::string where : {"a", "b"}) {
    CAPTURE(where);
    written_fixture x;
    x.hosts[where]->corrupt(3);
    REQUIRE(x.gate->write(1, 4 * block - 10, filled(20, 99)));
    for (auto& [name, host] : x.hosts) {
      if (name == "c")
        continue;
      auto content = host->content();
      CHECK(content[3 * block] == std::byte{4});
      CHECK(content[4 * block - 10] == std::byte{99});
      CHECK(content[4 * block + 9] == std::byte{99});
    }
    CHECK(x.gate->repaired() == 1);
    CHECK(x.gate->torn() == 0);
  }
}

TEST_CASE("a block without a good copy is an error to the client until it is written again") {
  written_fixture x;
  x.hosts["a"]->corrupt(3);
  x.hosts["b"]->corrupt(3);
  std::vector<std::byte> out(2 * block);
  auto done = x.gate->read(1, 2 * block, out);
  REQUIRE(!done);
  CHECK(done.error().code == errc::corrupt);
  CHECK(!x.gate->read(1, 2 * block, out));
  CHECK(x.gate->lost() == 1);
  CHECK(!x.gate->write(1, 3 * block + 5, filled(10, 1)));
  CHECK(x.gate->lost() == 1);
  REQUIRE(x.gate->read(1, 0, out)); // its neighbours are served
  REQUIRE(x.gate->write(1, 3 * block, filled(block, 4)));
  CHECK(x.gate->lost() == 0);
  CHECK(x.good("a"));
  CHECK(x.good("b"));
}

TEST_CASE("a block that cannot be rewritten is served from the other replica") {
  written_fixture x;
  x.hosts["a"]->corrupt(3, true);
  std::vector<std::byte> out(16 * block);
  REQUIRE(x.gate->read(1, 0, out));
  CHECK(out[3 * block] == std::byte{4});
  CHECK(x.gate->repaired() == 0);
  CHECK(x.gate->lost() == 0);
}

TEST_CASE("a block whose other replica is away waits for it instead of being called lost") {
  written_fixture x;
  x.hosts["a"]->corrupt(3);
  x.hosts["b"]->break_with({errc::unreachable, "gone"});
  std::vector<std::byte> out(block);
  std::thread back{[&] {
    eventually([&] { return x.gate->held() > 0; });
    x.hosts["b"]->heal();
  }};
  auto done = x.gate->read(1, 3 * block, out);
  back.join();
  REQUIRE(done);
  CHECK(out == filled(block, 4));
  CHECK(x.good("a"));
}
