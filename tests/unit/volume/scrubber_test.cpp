// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "core/volume/plane.hpp"
#include "core/volume/scrubber.hpp"
#include "tests/unit/volume/gateway_fixture.hpp"

#include <fstream>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

namespace {

/// Host a's plane over a real store; host b is in memory. The plane's own scrubbing thread runs
/// too, and only repairs.
struct scrub_fixture {
  scrub_fixture() {
    std::filesystem::create_directories(directory);
    shape.id = 7;
    shape.name = "vol";
    shape.size_bytes = 16 * 65536;
    shape.extent_bytes = 65536;
    shape.partition_bytes = 65536;
    shape.replicas = 2;
    shape.homes = {"a", "b"};
    other = std::make_shared<memory_extents>(
        volume_layout{7, shape.size_bytes, shape.extent_bytes, [](std::uint32_t) { return true; }});
    store = *extent_store::open({(directory / "data").string(), 0});
    plane_options options;
    options.host = "a";
    options.directory = directory.string();
    auto links = [this](const link_target& target) -> std::shared_ptr<peer_link> {
      return std::make_shared<memory_link>(other, io_permit{target.epoch, target.move});
    };
    host = *plane::open(options, *store, io, links, clock);
    auto spec = packet<schema::VolumeSpec>::make([&](auto out) { encode_shape(shape, out); });
    REQUIRE(host->configure(spec.read()));
    volume = *host->find(7);
    REQUIRE(volume->gate->standby(1, placement_map{shape}, {}));
    REQUIRE(volume->extents->promote(1, "a"));
    REQUIRE(other->promote(1, "a"));
    volume->gate->serve(1);
    for (std::uint64_t extent = 0; extent < 16; ++extent)
      REQUIRE(volume->gate->write(1, extent * 65536, filled(65536, static_cast<int>(extent) + 1)));
  }
  ~scrub_fixture() {
    volume.reset();
    host.reset();
    store.reset();
    std::filesystem::remove_all(directory);
  }

  void damage(std::uint64_t offset) {
    std::fstream file(directory / "data/volumes/7/0000.extents",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put('x');
  }

  /// Steps until the pass asked for is complete.
  void run(scrubber& scrub, bool full) {
    scrub.start(full);
    auto done = [&] {
      auto now = scrub.status().progress;
      return full ? now.full_ms : now.light_ms;
    };
    auto before = done();
    clock.advance(1h);
    while (done() == before)
      clock.advance(scrub.step());
  }

  std::filesystem::path directory =
      std::filesystem::temp_directory_path()
      / ("foreshift-scrub-" + std::to_string(::getpid()) + "-" + std::to_string(std::rand()));
  volume_shape shape;
  manual_clock clock;
  door::io_thread io;
  std::shared_ptr<memory_extents> other;
  std::unique_ptr<extent_store> store;
  std::unique_ptr<plane> host;
  std::shared_ptr<plane_volume> volume;
};

} // namespace

TEST_CASE("a full pass finds damage and has it repaired from the other replica") {
  scrub_fixture x;
  for (std::uint64_t extent : {3, 4, 15})
    x.damage(extent * 65536 + 5000);
  scrubber scrub{*x.host, {}};
  x.run(scrub, true);
  CHECK(scrub.status().progress.done_bytes == x.shape.size_bytes);
  x.clock.advance(1h);
  scrub.step();
  CHECK(scrub.status().corrupt == 0);
  CHECK(x.volume->gate->repaired() == 3);
  for (std::uint32_t extent = 0; extent < 16; ++extent) {
    std::vector<std::byte> out(65536);
    REQUIRE(x.volume->extents->read({1, 0}, extent * 65536, out));
    CHECK(out == filled(65536, static_cast<int>(extent) + 1));
  }
}

TEST_CASE("a full pass goes on where a former process stopped") {
  scrub_fixture x;
  {
    scrubber scrub{*x.host, {}};
    scrub.start(true);
    for (int i = 0; i < 5; ++i) {
      x.clock.advance(10s);
      scrub.step();
    }
  }
  scrubber scrub{*x.host, {}};
  scrub.step();
  auto now = scrub.status().progress;
  CHECK(now.running == scrub_progress::pass::full);
  CHECK(now.extent == 6);
  CHECK(now.done_bytes == 6 * 65536);
}

TEST_CASE("passes are due by time: light every day, full within fourteen days") {
  scrub_fixture x;
  scrubber scrub{*x.host, {}};
  scrub.step();
  CHECK(scrub.status().progress.light_ms == 0);
  x.clock.advance(24h);
  scrub.step();
  CHECK(scrub.status().progress.light_ms == x.clock.wall_ms());
  CHECK(scrub.status().progress.full_ms == 0);
  for (int day = 1; day < 14; ++day) {
    x.clock.advance(24h);
    for (int i = 0; i < 40; ++i)
      x.clock.advance(std::min<std::chrono::nanoseconds>(scrub.step(), 1s));
  }
  CHECK(scrub.status().progress.full_ms > 0);
}

TEST_CASE("a full pass stays within its rate") {
  scrub_fixture x;
  scrubber scrub{*x.host, {24h, 336h, 65536}};
  scrub.start(true);
  scrub.step();
  auto began = x.clock.monotonic_ns();
  std::chrono::nanoseconds waited{0};
  while (scrub.status().progress.running != scrub_progress::pass::none)
    waited += scrub.step();
  for (int pass = 0; pass < 5; ++pass) {
    scrub.start(true);
    do
      waited += scrub.step();
    while (scrub.status().progress.running != scrub_progress::pass::none);
  }
  CHECK(waited > 32s); // six passes over 1 MiB at 64 KiB a second, less the burst of 4 MiB
  CHECK(x.clock.monotonic_ns() == began);
}

TEST_CASE("a scrubber's progress survives its record, and rubbish is no record") {
  scrub_progress x{scrub_progress::pass::light, 1ull << 60, 42, 7, 8, -1, 9, 10};
  CHECK(decode_scrub_progress(encode(x)) == x);
  for (std::string text : {"", "full", "many 1 2 3 4 5 6 7", "full 1 2 3 4 5 6 7 8", "full a"})
    CHECK(decode_scrub_progress(text) == std::nullopt);
}
