// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

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
  cell.rules.follow = follow_rule::EXPECTED;
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

namespace {

/// Asks for one stage of task `id` without waiting; the answer comes into `answers`.
struct vm_tool {
  test_cell& cell;
  std::uint64_t id = 0;

  explicit vm_tool(test_cell& x) : cell(x) {
    auto started = cell.run<schema::MigrateStart>([](auto out) {
      out.setVolume("vol1");
      out.setTo("c");
      out.setHeld(true);
      out.setRamBytes(64u << 20);
      out.setBandwidthBytes(64u << 20);
    });
    REQUIRE(started);
    id = started->read().getId();
  }
  auto step(schema::MigrateStage stage) {
    return cell.run<schema::MigrateStep>([&](auto out) {
      out.setTask(id);
      out.setStage(stage);
      auto account = out.initAccount();
      account.setBlackoutUs(40'000);
      account.setTotalUs(2'000'000 + id); // no two are alike
      account.setOutcome("runs there");
    });
  }
  std::string phase() { return cell.task(id).read().getPhase().cStr(); }
  bool wait_for(const std::string& phase_wanted) {
    for (int i = 0; i < 100 && phase() != phase_wanted; ++i) {
      cell.report_all();
      cell.advance(200ms);
    }
    return phase() == phase_wanted;
  }
};

} // namespace

TEST_CASE(
    "a VM's migration waits at the gate, before the takeover and before it lets the source go") {
  ready_cell cell;
  vm_tool tool{cell};
  REQUIRE(tool.wait_for("ready"));
  cell.advance(120s); // longer than the gate's timeout: nobody waits for the gate any more
  CHECK(tool.phase() == "ready");
  CHECK(cell.facts().lease.prepared.id == 0);
  auto armed = tool.step(schema::MigrateStage::ARM);
  REQUIRE(armed);
  CHECK(std::string{armed->read().getPhase().cStr()} == "armed");
  CHECK(cell.hosts.at("a").state == schema::LeaseState::PRIMARY);
  auto taken = tool.step(schema::MigrateStage::GO);
  REQUIRE(taken);
  CHECK(taken->read().getState() == schema::TaskState::RUNNING);
  CHECK(cell.hosts.at("c").state == schema::LeaseState::PRIMARY);
  CHECK(cell.hosts.at("a").state == schema::LeaseState::DRAINING);
  cell.live(3); // heartbeats that show the source still there do not release it
  CHECK(cell.hosts.at("a").state == schema::LeaseState::DRAINING);
  auto kept = tool.step(schema::MigrateStage::KEEP);
  REQUIRE(kept);
  CHECK(kept->read().getState() == schema::TaskState::DONE);
  CHECK(kept->read().getVm().getBlackoutUs() == 40'000);
  CHECK(kept->read().getPromised().getBytes() == (8u << 20));
  CHECK(kept->read().getPromised().getRamBytes() == (64u << 20));
  CHECK(cell.facts().lease.holder == "c");
  cell.check_clean();
}

TEST_CASE("a VM's migration asked to go at once prepares first, and goes back when told") {
  ready_cell cell;
  vm_tool tool{cell};
  REQUIRE(tool.wait_for("ready"));
  REQUIRE(tool.step(schema::MigrateStage::GO));
  CHECK(cell.hosts.at("c").state == schema::LeaseState::PRIMARY);
  auto ended = tool.step(schema::MigrateStage::BACK);
  REQUIRE(ended);
  CHECK(ended->read().getState() == schema::TaskState::CANCELED);
  CHECK(cell.facts().lease.holder == "a");
  CHECK(cell.facts().lease.held_epoch == 3);
  cell.check_clean();
}

TEST_CASE("a VM's migration told to go back before the takeover leaves the source undisturbed") {
  for (auto reached : {"ready", "armed"}) {
    CAPTURE(reached);
    ready_cell cell;
    vm_tool tool{cell};
    REQUIRE(tool.wait_for("ready"));
    if (std::string{reached} == "armed")
      REQUIRE(tool.step(schema::MigrateStage::ARM));
    auto ended = tool.step(schema::MigrateStage::BACK);
    cell.live(2);
    CHECK(cell.task(tool.id).read().getState() == schema::TaskState::CANCELED);
    CHECK(cell.facts().lease.holder == "a");
    CHECK(cell.facts().lease.held_epoch == 1);
    cell.check_clean();
  }
}

TEST_CASE("a coordinator that dies with a VM's volume taken over leaves it at the destination") {
  ready_cell cell;
  vm_tool tool{cell};
  REQUIRE(tool.wait_for("ready"));
  REQUIRE(tool.step(schema::MigrateStage::ARM));
  REQUIRE(tool.step(schema::MigrateStage::GO));
  cell.crash();
  cell.start();
  for (auto host : {"a", "b", "c"})
    cell.hello(host);
  cell.live(6);
  CHECK(cell.facts().lease.holder == "c");
  cell.check_clean();
}

TEST_CASE("a tool that asks another coordinator process for the takeover hears how it ended") {
  int arrived = 0;
  int stayed = 0;
  for (int steps = 0; steps < 100; ++steps) {
    CAPTURE(steps);
    ready_cell cell;
    vm_tool tool{cell};
    REQUIRE(tool.wait_for("ready"));
    REQUIRE(tool.step(schema::MigrateStage::ARM));
    auto go = packet<schema::MigrateStep>::make([&](auto out) {
      out.setTask(tool.id);
      out.setStage(schema::MigrateStage::GO);
    });
    caf::anon_send(cell.x.conductor, go);
    cell.run_steps(steps);
    cell.restart();
    auto pending = cell.world.self->request(cell.x.conductor, caf::infinite, go);
    cell.live(6);
    REQUIRE(cell.world.self->has_next_message());
    std::optional<schema::TaskState> state;
    pending.receive([&](packet<schema::Task>& x) { state = x.read().getState(); },
                    [](const caf::error&) {});
    REQUIRE(state);
    bool taken = *state == schema::TaskState::RUNNING || *state == schema::TaskState::DONE;
    CHECK(cell.facts().lease.holder == (taken ? "c" : "a"));
    arrived += taken;
    stayed += !taken;
    cell.check_clean();
  }
  CHECK(arrived > 0);
  CHECK(stayed > 0);
}

TEST_CASE("what a VM's migration cost is promised of the next one and calibrated") {
  ready_cell cell;
  vm_tool first{cell};
  REQUIRE(first.wait_for("ready"));
  CHECK(cell.task(first.id).read().getPromised().getBasis() == 0);
  REQUIRE(first.step(schema::MigrateStage::ARM));
  REQUIRE(first.step(schema::MigrateStage::GO));
  REQUIRE(first.step(schema::MigrateStage::KEEP));
  REQUIRE(cell.flip("a"));
  vm_tool second{cell};
  REQUIRE(second.wait_for("ready"));
  auto said = cell.task(second.id).read().getPromised();
  CHECK(said.getBasis() == 1);
  CHECK(said.getBlackoutUs() == 40'000);
  REQUIRE(second.step(schema::MigrateStage::ARM));
  REQUIRE(second.step(schema::MigrateStage::GO));
  REQUIRE(second.step(schema::MigrateStage::KEEP));
  auto now = cell.world.ask<packet<schema::Calibration>>(
      cell.x.conductor, packet<schema::CalibrationGet>::make([](auto) {}));
  CHECK(now.read().getMigrations() == 1);
  CHECK(now.read().getWithin() == 1);
}

TEST_CASE("what a move is copying already is not planned for its destination again") {
  std::shared_ptr<store> records = make_memory_store();
  test_cell cell{1, records};
  cell.create();
  REQUIRE(cell.attach("a"));
  auto survey = [&] {
    cell.forecast("a");
    cell.report_all();
    control::survey_request question;
    question.volume = 1;
    question.to = "c";
    question.gain_min = 0.01;
    question.budget_bytes = 1u << 30;
    return cell.world.ask<control::survey_ptr>(cell.x.board, std::move(question));
  };
  auto planned = [&] {
    std::set<std::uint32_t> all;
    auto now = survey();
    for (auto& move : now->moves)
      all.insert(move.extents.begin(), move.extents.end());
    return all;
  };
  auto before = planned();
  REQUIRE(before.contains(0));
  lease::move_record copying;
  copying.id = 1000;
  copying.volume = 1;
  copying.source = cell.facts().placement.replicas(0).front();
  copying.destination = "c";
  copying.extents = {0};
  cell.crash();
  std::vector<store_op> ops;
  ops.push_back({lease::move_key(copying.id), lease::to_value(copying)});
  REQUIRE(bool(records->txn({}, ops)));
  cell.start();
  for (auto host : {"a", "b", "c"})
    cell.hello(host);
  before.erase(0);
  CHECK(planned() == before);
}
