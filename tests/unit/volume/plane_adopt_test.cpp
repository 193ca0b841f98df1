// SPDX-License-Identifier: Apache-2.0
#include "core/volume/plane_service.hpp"
#include "tests/support/faulty_disk.hpp"
#include "tests/unit/volume/memory_extents.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <future>
#include <latch>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Host a with a real disk and the service that its agent talks to; host b in memory.
struct plane_fixture {
  std::string directory =
      (std::filesystem::temp_directory_path() / ("foreshift-plane-" + std::to_string(::getpid())))
          .string();
  volume_shape shape;
  manual_clock clock;
  faulty_disk disk;
  std::shared_ptr<memory_extents> b;
  std::unique_ptr<extent_store> store;
  door::io_thread io;
  std::unique_ptr<plane> host;
  std::unique_ptr<plane_service> service;

  plane_fixture() {
    shape.id = 7;
    shape.name = "vol";
    shape.size_bytes = 8 * 65536;
    shape.extent_bytes = 65536;
    shape.partition_bytes = 65536;
    shape.replicas = 2;
    shape.homes = {"a", "b"};
    b = std::make_shared<memory_extents>(
        volume_layout{shape.id, shape.size_bytes, shape.extent_bytes, [](auto) { return true; }});
    start();
    REQUIRE(ask(packet<schema::PlaneConfigure>::make(
        [&](auto out) { encode_shape(shape, out.initSpec()); })));
  }

  void start() {
    store = *extent_store::open({directory, 0, &disk});
    auto links = [this](const link_target& to) -> std::shared_ptr<peer_link> {
      return std::make_shared<memory_link>(b, io_permit{to.epoch, to.move});
    };
    plane_options options;
    options.host = "a";
    options.directory = directory;
    options.disk = &disk;
    host = *plane::open(options, *store, io, links, clock);
    service = std::make_unique<plane_service>(*host);
  }
  void stop() {
    service.reset();
    host.reset();
    store.reset();
  }
  ~plane_fixture() {
    stop();
    std::filesystem::remove_all(directory);
  }

  template <class Schema>
  result<door::envelope> ask(const packet<Schema>& request) {
    std::promise<result<door::envelope>> answered;
    door::peer agent;
    agent.role = "local";
    service->handle(plane_door::agent, door::wrap(request), agent,
                    [&](result<door::envelope> got) { answered.set_value(std::move(got)); });
    return answered.get_future().get();
  }

  std::uint64_t recorded_version() {
    auto map = host->records().map(shape.id, 1);
    return map && *map ? (**map).read().getVersion() : 0;
  }
};

} // namespace

TEST_CASE("plane: a map that leaves a host out is on disk before a write is acknowledged by it") {
  plane_fixture x;
  auto& gate = *(*x.host->find(7))->gate;
  placement_map map{x.shape};
  REQUIRE(gate.standby(1, map, {}));
  REQUIRE((*x.host->find(7))->extents->promote(1, "a"));
  REQUIRE(x.b->promote(1, "a"));
  gate.serve(1);
  // A write to b that takes long keeps `adopt` waiting; others already go by the new map.
  std::latch let_go{1};
  x.b->before_write = [&](auto) { let_go.wait(); };
  std::vector<std::byte> block(4096, std::byte{1});
  auto slow = std::async(std::launch::async, [&] { return gate.write(1, 0, block); });
  auto next = *map.with_lost("b");
  auto adopted = std::async(std::launch::async, [&] {
    return x.ask(packet<schema::PlaneAdopt>::make([&](auto out) {
      out.setVolume(7);
      out.setEpoch(1);
      next.encode(out.initPlacement());
    }));
  });
  while (gate.view()->placement->version() != next.version())
    std::this_thread::yield();
  CHECK(gate.write(1, 3 * 65536, block));
  CHECK(x.recorded_version() == next.version());
  let_go.count_down();
  CHECK(slow.get());
  CHECK(adopted.get());
}

TEST_CASE("plane: a map of another epoch, or an older one, is not recorded") {
  plane_fixture x;
  auto& gate = *(*x.host->find(7))->gate;
  auto map =
      (*placement_map{x.shape}.with_lost("b")).with_replica("b", std::vector<std::uint32_t>{0});
  REQUIRE(gate.standby(1, map, {}));
  REQUIRE((*x.host->find(7))->extents->promote(1, "a"));
  gate.serve(1);
  auto adopt = [&](std::uint64_t epoch, const placement_map& to) {
    return x.ask(packet<schema::PlaneAdopt>::make([&](auto out) {
      out.setVolume(7);
      out.setEpoch(epoch);
      to.encode(out.initPlacement());
    }));
  };
  CHECK(adopt(2, map).error().code == errc::refused);
  CHECK(adopt(1, placement_map{x.shape}).error().code == errc::precondition);
  CHECK(x.recorded_version() == 0);
  CHECK(adopt(1, map));
  CHECK(x.recorded_version() == map.version());
}

TEST_CASE("plane: watching, its notes and the wait for suspects through the service") {
  plane_fixture x;
  auto changed = [&] {
    auto got = x.ask(packet<schema::PlaneChangedGet>::make([](auto out) {
      out.setVolume(7);
      out.setSince(3);
    }));
    REQUIRE(got);
    return *packet<schema::PlaneChanged>::admit(got->payload);
  };
  CHECK_FALSE(changed().read().getKnown());
  CHECK(x.ask(packet<schema::PlaneWatch>::make([](auto out) {
    out.setVolume(7);
    out.setSince(3);
  })));
  CHECK(changed().read().getKnown());
  CHECK(x.ask(packet<schema::PlaneUnwatch>::make([](auto out) {
    out.setVolume(7);
    out.setSince(3);
  })));
  CHECK_FALSE(changed().read().getKnown());
  x.host->suspects().note(7, 1, "b", {errc::timeout, "no answer in time"});
  auto got = x.ask(packet<schema::PlaneSuspectsWait>{});
  REQUIRE(got);
  auto suspects = *packet<schema::PlaneSuspects>::admit(got->payload);
  REQUIRE(suspects.read().getSuspects().size() == 1);
  CHECK(std::string{suspects.read().getSuspects()[0].getReason().cStr()}
        == "timeout: no answer in time");
}

TEST_CASE("plane: a drained process that is killed right after its answer does not serve again") {
  plane_fixture x;
  auto& gate = *(*x.host->find(7))->gate;
  REQUIRE(gate.standby(1, placement_map{x.shape}, {}));
  REQUIRE((*x.host->find(7))->extents->promote(1, "a"));
  gate.serve(1);
  REQUIRE(x.host->records().put_lease(7, {LeaseState::PRIMARY, 1}, true));
  REQUIRE(x.ask(packet<schema::PlaneDrain>::make([](auto out) {
    out.setVolume(7);
    out.setEpoch(1);
  })));
  CHECK(x.host->records().lease(7)->state == LeaseState::DRAINING);
}

TEST_CASE("plane: a lease is resumed by a restarted process, but not by a restarted machine") {
  plane_fixture x;
  auto state = [&] { return (*x.host->find(7))->gate->state(); };
  REQUIRE(x.host->records().put_map(7, 1, placement_map{x.shape}.encode()));
  REQUIRE(x.host->records().put_lease(7, {LeaseState::PRIMARY, 1}, true));
  x.stop();
  x.start();
  CHECK(state() == LeaseState::PRIMARY);
  x.stop();
  x.disk.boot = "second";
  x.start();
  CHECK(state() == LeaseState::DEACTIVATED);
  x.stop();
  x.start();
  CHECK(state() == LeaseState::DEACTIVATED);
  CHECK((*x.host->find(7))->gate->epoch() == 1);
}

TEST_CASE("plane: a host says that it doubts its replica, and is told when it need not any more") {
  plane_fixture x;
  auto volume = *x.host->find(7);
  REQUIRE(volume->extents->promote(1, "a"));
  std::vector<std::byte> block(4096, std::byte{1});
  REQUIRE(volume->extents->write({1, 0}, 0, block));
  volume.reset();
  x.stop();
  x.disk.boot = "second";
  x.start();
  auto doubt = [&] {
    auto got = x.ask(packet<schema::PlaneStatusGet>{});
    REQUIRE(got);
    auto status = *packet<schema::PlaneStatus>::admit(got->payload);
    REQUIRE(status.read().getVolumes().size() == 1);
    return status.read().getVolumes()[0].getDoubt();
  };
  auto trust = [&](std::uint64_t what) {
    return x.ask(packet<schema::PlaneTrust>::make([&](auto out) {
      out.setVolume(7);
      out.setDoubt(what);
    }));
  };
  auto mine = doubt();
  REQUIRE(mine != 0);
  CHECK(trust(mine + 1).error().code == errc::refused);
  CHECK(doubt() == mine);
  CHECK(trust(mine));
  CHECK(doubt() == 0);
  CHECK((*x.host->find(7))->extents->read({1, 0}, 0, block));
}

TEST_CASE("plane: of a move's pulls the last one syncs what all have stored") {
  plane_fixture x;
  auto& extents = *(*x.host->find(7))->extents;
  REQUIRE(extents.promote(1, "a"));
  std::vector<std::byte> block(4096, std::byte{1});
  REQUIRE(extents.write({1, 0}, 0, block));
  int synced = 0;
  x.disk.fails = [&](std::string_view what, const std::string& path) -> std::optional<fault> {
    synced += what == "sync" && path.ends_with(".extents");
    return std::nullopt;
  };
  auto pull = [&](bool more) {
    return x.ask(packet<schema::PlanePull>::make([&](auto out) {
      out.setVolume(7);
      out.setMove(9);
      out.setMore(more);
    }));
  };
  CHECK(pull(true));
  CHECK(synced == 0);
  CHECK(pull(false));
  CHECK(synced == 1);
}
