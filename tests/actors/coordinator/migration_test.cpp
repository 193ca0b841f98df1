// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

using namespace foreshift;
using namespace foreshift::test;

namespace {

struct ready_cell : test_cell {
  ready_cell() {
    create();
    REQUIRE(attach("a"));
    forecast("a");
    report_all();
  }
};

packet<schema::Task> to_end(test_cell& cell, const result<packet<schema::Task>>& started) {
  REQUIRE(started);
  auto id = started->read().getId();
  for (int i = 0; i < 100 && cell.task(id).read().getState() == schema::TaskState::RUNNING; ++i) {
    cell.report_all();
    cell.advance(200ms);
  }
  return cell.task(id);
}

} // namespace

TEST_CASE("a migration copies what is hot, then flips") {
  ready_cell cell;
  auto end = to_end(cell, cell.migrate("c"));
  CHECK(end.read().getState() == schema::TaskState::DONE);
  CHECK(end.read().getCoverageAtFlip() >= 0.9);
  CHECK(end.read().getBytesMoved() == (8u << 20));
  CHECK(cell.facts().lease.holder == "c");
  CHECK(cell.facts().lease.held_epoch == 2);
  for (std::uint32_t e = 0; e < 8; ++e)
    CHECK(cell.hosts.at("c").replicas.contains(e));
  cell.check_clean();
}

TEST_CASE("a migration without pre-positioning moves nothing") {
  ready_cell cell;
  auto end = to_end(cell, cell.run<schema::MigrateStart>([](auto out) {
    out.setVolume("vol1");
    out.setTo("c");
    out.setNoPreposition(true);
  }));
  CHECK(end.read().getState() == schema::TaskState::DONE);
  CHECK(end.read().getBytesMoved() == 0);
  CHECK(cell.hosts.at("c").replicas.empty());
  cell.check_clean();
}

TEST_CASE("a full destination ends the migration with no_space and the source serves on") {
  ready_cell cell;
  SUBCASE("as its last report said") {
    cell.free_bytes = 100;
  }
  SUBCASE("as it says when it should stage") {
    cell.hosts.at("c").extents_max = 2;
  }
  cell.report_all();
  auto end = to_end(cell, cell.migrate("c"));
  CHECK(end.read().getState() == schema::TaskState::FAILED);
  CHECK(end.read().getErrorCode() == static_cast<int>(errc::no_space));
  CHECK(cell.facts().lease.holder == "a");
  CHECK(cell.facts().lease.held_epoch == 1);
  cell.check_clean();
}

TEST_CASE("a gate that cannot be met ends with a timeout and the source serves on") {
  ready_cell cell;
  cell.hosts.at("c").up = false;
  cell.report_all();
  auto end = to_end(cell, cell.migrate("c", 0.9, 1000));
  CHECK(end.read().getState() == schema::TaskState::FAILED);
  CHECK(cell.facts().lease.holder == "a");
  cell.hosts.at("c").up = true;
  cell.advance(5s);
  cell.report_all();
  cell.check_clean();
}

TEST_CASE("a canceled migration leaves one clean owner, wherever it was") {
  bool stopped = false;
  bool too_late = false;
  for (int steps = 0; steps < 400; steps += 7) {
    CAPTURE(steps);
    ready_cell cell;
    auto started = cell.world.self->request(cell.x.conductor, caf::infinite,
                                            packet<schema::MigrateStart>::make([](auto out) {
                                              out.setVolume("vol1");
                                              out.setTo("c");
                                            }));
    cell.run_steps(steps);
    cell.world.self->send(cell.x.conductor,
                          packet<schema::TaskCancel>::make([](auto out) { out.setId(2); }));
    cell.world.settle();
    started.receive([](packet<schema::Task>&) {}, [](const caf::error&) {});
    for (int i = 0; i < 30; ++i) {
      cell.advance(200ms);
      cell.report_all();
    }
    auto end = cell.task(2);
    CHECK(end.read().getState() != schema::TaskState::RUNNING);
    bool canceled = end.read().getState() == schema::TaskState::CANCELED;
    (canceled ? stopped : too_late) = true;
    CHECK(cell.facts().lease.holder == (canceled ? "a" : "c"));
    cell.check_clean();
  }
  CHECK(stopped);
  CHECK(too_late);
}

TEST_CASE("a coordinator that dies during a migration leaves one clean owner and no staging") {
  for (int steps = 0; steps < 600; steps += 11) {
    CAPTURE(steps);
    ready_cell cell;
    cell.world.self->send(cell.x.conductor, packet<schema::MigrateStart>::make([](auto out) {
                            out.setVolume("vol1");
                            out.setTo("c");
                          }));
    cell.run_steps(steps);
    cell.restart();
    cell.live(6);
    cell.check_clean();
  }
}

TEST_CASE("the background brings hot extents to the holder and retires the surplus") {
  test_cell cell;
  cell.stop();
  cell.rules.hold = 0ms;
  cell.start();
  for (auto host : {"a", "b", "c"})
    cell.hello(host);
  cell.create();
  REQUIRE(cell.attach("c"));
  cell.forecast("c");
  for (int i = 0; i < 40; ++i) {
    cell.report_all();
    cell.advance(500ms);
  }
  CHECK(cell.hosts.at("c").replicas.size() == 8);
  CHECK(cell.hosts.at("a").replicas.empty());
  CHECK(cell.hosts.at("b").replicas.empty());
  cell.check_clean();
}
