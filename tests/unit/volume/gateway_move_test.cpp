// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tests/unit/volume/gateway_fixture.hpp"

#include <future>
#include <random>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

namespace {

const std::vector<std::uint32_t> all_extents{0, 1, 2, 3, 4, 5, 6, 7};

/// Copies a's extents to c as a puller would, block by block from wherever it is.
void pull_one(gateway_fixture& x, std::uint64_t move, std::uint32_t extent) {
  for (std::uint32_t at = 0; at < x.shape.extent_bytes; at += 16384) {
    std::vector<std::byte> some(16384);
    REQUIRE(x.hosts["a"]->read_verified(std::uint64_t{extent} * x.shape.extent_bytes + at, some));
    REQUIRE(x.hosts["c"]->fill(move, extent, at, some));
  }
}

} // namespace

TEST_CASE("mirrored writes of any size leave destination and source equal") {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    gateway_fixture x{{"a"}, 1};
    x.attach();
    std::mt19937 random{seed};
    std::vector<std::byte> model(x.shape.size_bytes);
    auto one_write = [&] {
      auto offset = random() % model.size();
      auto length = std::min<std::size_t>(1 + random() % (random() % 4 == 0 ? 90000 : 5000),
                                          model.size() - offset);
      if (random() % 4 == 0) {
        REQUIRE(x.gate->zero(1, offset, length));
        std::fill_n(model.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
      } else {
        auto data = filled(length, static_cast<int>(1 + random() % 255));
        REQUIRE(x.gate->write(1, offset, data));
        std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
      }
    };
    for (int i = 0; i < 30; ++i)
      one_write();
    REQUIRE(x.hosts["c"]->stage(11, all_extents));
    REQUIRE(x.gate->mirror_on(1, {11, "c", all_extents}, {}));
    for (auto extent : all_extents) {
      for (int i = 0; i < 6; ++i)
        one_write();
      pull_one(x, 11, extent);
    }
    for (int i = 0; i < 20; ++i)
      one_write();
    CHECK(x.hosts["a"]->content() == model);
    CHECK(x.hosts["c"]->content() == model);
    REQUIRE(x.hosts["c"]->commit(11, all_extents));
    auto moved = placement_map{x.shape}.with_replica("c", all_extents);
    REQUIRE(x.gate->adopt(1, moved, {}, all_extents));
    REQUIRE(x.gate->mirror_off(11));
    one_write();
    CHECK(x.hosts["c"]->content() == model);
  }
}

TEST_CASE("a barrier waits for older writes and not for newer ones") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  REQUIRE(x.hosts["c"]->stage(5, all_extents));
  std::promise<void> release;
  auto gate = release.get_future().share();
  std::atomic<bool> inside{false};
  x.hosts["a"]->before_write = [&](std::uint64_t offset) {
    if (offset == 0 && !inside.exchange(true))
      gate.wait();
  };
  auto older = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(512, 1)); });
  eventually([&] { return inside.load(); });
  auto mirror = std::async(std::launch::async, [&] {
    return x.gate->mirror_on(1, {5, "c", all_extents}, {});
  });
  eventually([&] { return !x.gate->view()->mirrors.empty(); });
  REQUIRE(x.gate->write(1, 131072, filled(4096, 7)));
  CHECK(x.hosts["c"]->content()[131072] == std::byte{7});
  CHECK(mirror.wait_for(0s) == std::future_status::timeout);
  release.set_value();
  CHECK(mirror.get());
  CHECK(older.get());
}

TEST_CASE("a mirror that lost its staged copy does not fail the client's write") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  REQUIRE(x.hosts["c"]->stage(5, all_extents));
  REQUIRE(x.gate->mirror_on(1, {5, "c", all_extents}, {}));
  REQUIRE(x.hosts["c"]->stage(6, all_extents));
  REQUIRE(x.gate->write(1, 0, filled(4096, 7)));
  CHECK(x.hosts["c"]->content()[0] == std::byte{0});
  CHECK(x.gate->state() == LeaseState::PRIMARY);
}

TEST_CASE("ending a mirror frees a write that waits for its lost destination") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  REQUIRE(x.hosts["c"]->stage(5, all_extents));
  REQUIRE(x.gate->mirror_on(1, {5, "c", all_extents}, {}));
  x.hosts["c"]->break_with({errc::unreachable, "gone"});
  std::atomic<int> tries{0};
  x.hosts["c"]->before_write = [&](std::uint64_t) { ++tries; };
  auto write = std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(4096, 7)); });
  eventually([&] { return tries > 1; });
  REQUIRE(x.gate->mirror_off(5));
  CHECK(write.get());
}

TEST_CASE("a locked extent holds its writes and no others") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  std::vector<std::uint32_t> some{1, 2};
  std::future<result<void>> held;
  {
    auto lock = x.gate->lock_extents(some);
    held = std::async(std::launch::async, [&] { return x.gate->write(1, 65536, filled(512, 1)); });
    REQUIRE(x.gate->write(1, 0, filled(512, 2)));
    CHECK(x.hosts["a"]->content()[65536] == std::byte{0});
  }
  CHECK(held.get());
  CHECK(x.hosts["a"]->content()[65536] == std::byte{1});
}

TEST_CASE("an older map is not adopted and neither is one of another epoch") {
  gateway_fixture x{{"a"}, 1};
  x.attach();
  auto newer = placement_map{x.shape}.with_replica("b", all_extents);
  CHECK(x.gate->adopt(2, newer, {}, {}).error().code == errc::refused);
  REQUIRE(x.hosts["b"]->stage(1, all_extents));
  REQUIRE(x.hosts["b"]->commit(1, all_extents));
  REQUIRE(x.gate->adopt(1, newer, {}, {}));
  CHECK(x.gate->adopt(1, placement_map{x.shape}, {}, {}).error().code == errc::precondition);
}
