// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

schema::TaskState state_of(const packet<schema::Task>& x) {
  return x.read().getState();
}

} // namespace

TEST_CASE("a volume is attached, flipped and detached by tasks that end done") {
  test_cell cell;
  cell.create();
  auto attached = cell.attach("a");
  REQUIRE(attached);
  CHECK(state_of(*attached) == schema::TaskState::DONE);
  CHECK(attached->read().getEpoch() == 1);
  auto flipped = cell.flip("c");
  REQUIRE(flipped);
  CHECK(state_of(*flipped) == schema::TaskState::DONE);
  CHECK(flipped->read().getFlip().getTotalUs() == 700);
  CHECK(flipped->read().getPhases().size() == 3);
  cell.check_clean();
  auto detached = cell.run<schema::VolumeDetach>([](auto out) { out.setName("vol1"); });
  REQUIRE(detached);
  CHECK(state_of(*detached) == schema::TaskState::DONE);
  CHECK(cell.facts().lease.holder.empty());
  cell.check_clean();
}

TEST_CASE("what makes no sense is refused with its reason") {
  test_cell cell;
  CHECK(cell.attach("a").error().code == errc::not_found);
  cell.create();
  CHECK(cell.attach("nowhere").error().code == errc::not_found);
  CHECK(cell.migrate("c").error().code == errc::precondition);
  REQUIRE(cell.attach("a"));
  CHECK(cell.attach("b").error().code == errc::precondition);
  CHECK(cell.flip("a").error().code == errc::precondition);
  CHECK(cell.migrate("a").error().code == errc::precondition);
  CHECK(cell.migrate("c", 1.5).error().code == errc::invalid);
  cell.advance(6s); // nobody reports
  CHECK(cell.migrate("c").error().code == errc::precondition);
  cell.report_all();
  CHECK(cell.migrate("c"));
}

TEST_CASE("a flip that fails half-way leaves the source as the one owner") {
  test_cell cell;
  cell.create();
  REQUIRE(cell.attach("a"));
  cell.hosts.promotions_left = 1;
  auto pending = cell.world.self->request(cell.x.conductor, caf::infinite,
                                          packet<schema::FlipStart>::make([](auto out) {
                                            out.setVolume("vol1");
                                            out.setTo("c");
                                          }));
  cell.world.settle();
  cell.advance(2s);
  REQUIRE(cell.world.self->has_next_message());
  pending.receive(
      [&](packet<schema::Task>& x) {
        CHECK(state_of(x) == schema::TaskState::FAILED);
        CHECK(std::string{x.read().getError().cStr()}.find("rolled back") != std::string::npos);
      },
      [](const caf::error& why) { FAIL(to_fault(why).detail); });
  CHECK(cell.facts().lease.holder == "a");
  CHECK(cell.facts().lease.held_epoch == 3);
  cell.check_clean();
}

TEST_CASE("a second task on a volume is told which one is at work") {
  test_cell cell;
  cell.create();
  REQUIRE(cell.attach("a"));
  auto first = cell.migrate("c");
  REQUIRE(first);
  auto second = cell.migrate("b");
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::busy);
  CHECK(second.error().detail.find("task 2") != std::string::npos);
}

TEST_CASE("a coordinator that dies after any number of messages of a flip leaves one clean owner") {
  int finished_before = 0;
  int rolled = 0;
  for (int steps = 0; steps < 120; steps += 1) {
    CAPTURE(steps);
    test_cell cell;
    cell.create();
    REQUIRE(cell.attach("a"));
    cell.world.self->send(cell.x.conductor, packet<schema::FlipStart>::make([](auto out) {
                            out.setVolume("vol1");
                            out.setTo("c");
                          }));
    cell.run_steps(steps);
    bool ended = !cell.world.scheduler.has_job();
    cell.restart();
    cell.live(6);
    cell.check_clean();
    auto holder = cell.facts().lease.holder;
    CHECK((holder == "a" || holder == "c"));
    rolled += holder == "a";
    auto tasks =
        cell.world.ask<packet<schema::Tasks>>(cell.x.conductor, packet<schema::TaskList>{});
    CHECK(tasks.read().getTasks().size() == 0); // none runs for ever
    if (ended) {
      CHECK(holder == "c");
      ++finished_before;
      break;
    }
  }
  CHECK(finished_before == 1);
  CHECK(rolled > 0);
}

TEST_CASE("a holder whose data plane lost the lease is promoted again after a few reports") {
  test_cell cell;
  cell.create();
  REQUIRE(cell.attach("a"));
  cell.hosts.at("a").state = schema::LeaseState::NONE;
  for (int i = 0; i < 4; ++i)
    cell.report("a");
  cell.advance(1s);
  CHECK(cell.facts().lease.held_epoch == 2);
  cell.check_clean();
}

TEST_CASE("reports that are older than a flip are not counted together over several flips") {
  test_cell cell;
  cell.create();
  REQUIRE(cell.attach("a"));
  for (auto* to : {"c", "a", "c", "a"}) {
    REQUIRE(cell.flip(to));
    auto now = cell.hosts.at(to).state;
    cell.hosts.at(to).state = schema::LeaseState::NONE; // as measured before the flip
    cell.report(to);
    cell.hosts.at(to).state = now;
  }
  cell.advance(1s);
  CHECK(cell.facts().lease.held_epoch == 5); // nothing was promoted again
  cell.check_clean();
}

TEST_CASE("a gateway that serves an epoch of nobody is told to let go") {
  test_cell cell;
  cell.create();
  REQUIRE(cell.attach("a"));
  cell.hosts.at("c").state = schema::LeaseState::STANDBY;
  cell.hosts.at("c").epoch = 9;
  cell.report("c");
  CHECK(cell.hosts.at("c").state == schema::LeaseState::NONE);
  cell.hosts.at("b").staged[77] = {1, 2};
  cell.report("b");
  cell.check_clean();
}

TEST_CASE("a host that comes back as primary of a deleted volume lets go of it and forgets it") {
  test_cell cell;
  cell.create();
  cell.world.self->send(cell.x.catalog,
                        packet<schema::VolumeDelete>::make([](auto out) { out.setName("vol1"); }));
  cell.world.settle();
  auto& host = cell.hosts.at("c");
  REQUIRE(host.forgotten);
  host.forgotten = false;
  host.state = schema::LeaseState::PRIMARY;
  host.epoch = 1;
  cell.live(3);
  CHECK(host.forgotten);
}
