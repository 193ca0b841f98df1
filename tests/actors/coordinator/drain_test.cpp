// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct drained_cell : test_cell {
  explicit drained_cell(unsigned replicas = 2) : test_cell(replicas) {
    create();
    REQUIRE(attach("a"));
    for (std::uint32_t e = 0; e < shape().extents(); ++e)
      REQUIRE(hosts.write(e, 1));
    report_all();
  }

  result<packet<schema::Task>> drain(const char* host, const char* to = "") {
    return run<schema::HostDrain>([&](auto out) {
      out.setName(host);
      out.setTo(to);
    });
  }

  result<packet<schema::Task>> remove(const char* host, bool lost) {
    return run<schema::HostRemove>([&](auto out) {
      out.setName(host);
      out.setLost(lost);
    });
  }

  packet<schema::Task> to_end(const result<packet<schema::Task>>& started) {
    REQUIRE(started);
    auto id = started->read().getId();
    for (int i = 0; i < 60 && task(id).read().getState() == schema::TaskState::RUNNING; ++i)
      live(1);
    return task(id);
  }

  bool known(const char* host) {
    return bool(world.try_ask<packet<schema::Host>>(
        x.directory, packet<schema::HostShow>::make([&](auto out) { out.setName(host); })));
  }

  packet<schema::StopEffects> ok_to_stop(const char* host) {
    return world.ask<packet<schema::StopEffects>>(
        x.directory, packet<schema::HostOkToStop>::make([&](auto out) { out.setName(host); }));
  }
};

} // namespace

TEST_CASE("a drained host holds nothing, and no extent had fewer replicas meanwhile") {
  drained_cell cell;
  auto end = cell.to_end(cell.drain("b"));
  CHECK(end.read().getState() == schema::TaskState::DONE);
  CHECK(cell.hosts.at("b").replicas.empty());
  CHECK(cell.facts().placement.degraded().isEmpty());
  CHECK(cell.facts().placement.hosts_to_seal() == host_set{"a", "c"});
  CHECK(cell.ok_to_stop("b").read().getOk());
  cell.check_clean();
}

TEST_CASE("a draining host gets nothing new until it is undrained") {
  drained_cell cell;
  REQUIRE(cell.to_end(cell.drain("b")).read().getState() == schema::TaskState::DONE);
  CHECK(cell.flip("b").error().code == errc::precondition);
  CHECK(cell.migrate("b").error().code == errc::precondition);
  auto made = cell.world.ask<packet<schema::VolumeInfo>>(
      cell.x.catalog, packet<schema::VolumeCreate>::make([](auto out) {
        out.setName("vol2");
        out.setSizeBytes(1 << 20);
      }));
  CHECK(made.read().getSpec().getHomes().size() == 2);
  cell.world.ask<packet<schema::Done>>(
      cell.x.conductor, packet<schema::HostUndrain>::make([](auto out) { out.setName("b"); }));
  CHECK(cell.flip("b"));
}

TEST_CASE("a drain flips the leases in the end, or names them") {
  drained_cell cell;
  auto named = cell.to_end(cell.drain("a"));
  CHECK(named.read().getState() == schema::TaskState::FAILED);
  CHECK(std::string{named.read().getError().cStr()}.find("flip vol1 first") != std::string::npos);
  CHECK(cell.facts().lease.holder == "a");
  CHECK(cell.hosts.at("a").replicas.empty());
  auto flipped = cell.to_end(cell.drain("a", "c"));
  CHECK(flipped.read().getState() == schema::TaskState::DONE);
  CHECK(cell.facts().lease.holder == "c");
  cell.check_clean();
}

TEST_CASE("a cell without room ends the drain with the reason, and nothing is lost") {
  drained_cell cell;
  cell.free_bytes = 0;
  cell.report_all();
  auto end = cell.to_end(cell.drain("b"));
  CHECK(end.read().getState() == schema::TaskState::FAILED);
  CHECK(end.read().getErrorCode() == static_cast<int>(errc::no_space));
  cell.check_clean();
}

TEST_CASE("a canceled drain leaves the old placement or the new one, batch by batch") {
  for (int steps = 0; steps < 300; steps += 13) {
    CAPTURE(steps);
    drained_cell cell;
    cell.world.self->send(cell.x.conductor,
                          packet<schema::HostDrain>::make([](auto out) { out.setName("b"); }));
    cell.run_steps(steps);
    cell.world.self->send(cell.x.conductor,
                          packet<schema::TaskCancel>::make([](auto out) { out.setId(2); }));
    cell.live(5);
    CHECK(cell.task(2).read().getState() != schema::TaskState::RUNNING);
    CHECK(cell.facts().placement.degraded().isEmpty());
    cell.check_clean();
  }
}

TEST_CASE("a coordinator that dies during a drain goes on with it") {
  for (int steps = 20; steps < 300; steps += 37) {
    CAPTURE(steps);
    drained_cell cell;
    cell.world.self->send(cell.x.conductor,
                          packet<schema::HostDrain>::make([](auto out) { out.setName("b"); }));
    cell.run_steps(steps);
    cell.restart();
    cell.live(12);
    CHECK(cell.task(2).read().getState() == schema::TaskState::DONE);
    CHECK(cell.hosts.at("b").replicas.empty());
    cell.check_clean();
  }
}

TEST_CASE("a dead host's replicas are made anew before it is forgotten") {
  drained_cell cell;
  CHECK(cell.remove("b", true).error().code == errc::precondition); // it is up
  cell.hosts.at("b").up = false;
  cell.live(7);
  auto kept = cell.remove("b", false);
  REQUIRE_FALSE(kept);
  CHECK(kept.error().detail.find("still uses host 'b'") != std::string::npos);
  auto end = cell.to_end(cell.remove("b", true));
  CHECK(end.read().getState() == schema::TaskState::DONE);
  CHECK_FALSE(cell.known("b"));
  auto now = cell.facts().placement;
  CHECK(now.degraded().isEmpty());
  CHECK(now.lost().empty());
  CHECK(now.retiring().empty());
  for (std::uint32_t e = 0; e < cell.shape().extents(); ++e)
    CHECK(cell.hosts.write(e, 2));
}

TEST_CASE("a host with the only copy of something, or with a lease, is not removed") {
  drained_cell cell{1};
  cell.hosts.at("b").up = false;
  cell.live(7);
  auto only = cell.remove("b", true);
  REQUIRE_FALSE(only);
  CHECK(only.error().detail.find("whose only copy is at host 'b'") != std::string::npos);
  cell.hosts.at("a").up = false;
  cell.live(7);
  CHECK(cell.remove("a", true).error().detail.find("is attached at host 'a'") != std::string::npos);
}

TEST_CASE("stopping a host is not ok while clients or last replicas are there") {
  drained_cell cell;
  auto primary = cell.ok_to_stop("a");
  CHECK_FALSE(primary.read().getOk());
  CHECK(primary.read().getEffects()[0].getAttached());
  auto replica = cell.ok_to_stop("b");
  CHECK(replica.read().getOk());
  CHECK(replica.read().getEffects()[0].getDegraded() > 0);
  cell.hosts.at("c").up = false;
  cell.suspect("a", "c", 1);
  auto last = cell.ok_to_stop("b");
  CHECK_FALSE(last.read().getOk());
  CHECK(last.read().getEffects()[0].getBlocked() > 0);
}

TEST_CASE(
    "a drain announces its volumes to the new host, and takes that back when it is canceled") {
  drained_cell cell;
  auto listed = [&] {
    return cell.world
        .ask<packet<schema::Intents>>(cell.x.herald,
                                      packet<schema::AnnounceList>::make([](auto) {}))
        .read()
        .getIntents()
        .size();
  };
  bool expected = false;
  cell.hosts.on_configure = [&](const std::string& host, auto x) {
    expected = expected || (host == "c" && x.getExpectMs() > 0);
  };
  constexpr std::uint64_t drain_task = 2;
  cell.hosts.on_request = [&](const std::string&, const door::envelope& request) {
    if (request.type == packet<schema::PlaneStage>::type_id) // it is under way
      cell.world.self->send(cell.x.conductor, packet<schema::TaskCancel>::make(
                                                  [&](auto out) { out.setId(drain_task); }));
  };
  auto started = cell.drain("a", "c");
  REQUIRE(started);
  REQUIRE(started->read().getId() == drain_task);
  CHECK(cell.to_end(started).read().getState() == schema::TaskState::CANCELED);
  CHECK(expected);
  CHECK(listed() == 0);
  cell.hosts.on_request = nullptr;
  cell.world.ask<packet<schema::Done>>(
      cell.x.conductor, packet<schema::HostUndrain>::make([](auto out) { out.setName("a"); }));
  CHECK(cell.to_end(cell.drain("a", "c")).read().getState() == schema::TaskState::DONE);
  CHECK(listed() == 0); // fulfilled
  CHECK(cell.facts().lease.holder == "c");
  cell.check_clean();
}
