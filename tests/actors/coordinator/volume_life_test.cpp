// SPDX-License-Identifier: Apache-2.0
// The crash matrix of creating and deleting a volume: every step x the death of the coordinator and
// of each host. The lease's operations have theirs in tests/unit/lease/crash_matrix_test.cpp.
#include "tests/actors/coordinator/test_cell.hpp"
#include "tests/unit/lease/step_names.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// A store that tells of each transaction before it is made.
class told_store final : public store {
public:
  result<std::uint64_t> txn(std::span<const compare> compares,
                            std::span<const store_op> ops) override {
    bool ours = std::any_of(ops.begin(), ops.end(),
                            [](const store_op& x) { return x.key.starts_with("volumes/"); });
    if (ours && on_txn)
      on_txn();
    return records_->txn(compares, ops);
  }
  result<std::vector<stored>> range(std::string_view prefix) const override {
    return records_->range(prefix);
  }
  std::uint64_t token() const override { return records_->token(); }

  std::function<void()> on_txn;

private:
  std::unique_ptr<store> records_ = make_memory_store();
};

struct life_cell : test_cell {
  life_cell() : life_cell(std::make_shared<told_store>()) {}
  explicit life_cell(std::shared_ptr<told_store> told) : test_cell(2, told), records(told.get()) {}

  void on_step(std::function<void(std::string)> what) {
    records->on_txn = [what] { what("store"); };
    hosts.on_request = [what](const std::string&, const door::envelope& request) {
      what(verb_name(request));
    };
  }
  void no_steps() {
    records->on_txn = nullptr;
    hosts.on_request = nullptr;
  }
  bool exists() {
    return bool(world.try_ask<packet<schema::VolumeInfo>>(
        x.directory, packet<schema::VolumeShow>::make([](auto out) { out.setName("vol1"); })));
  }
  void send_create() {
    world.self->send(x.catalog, packet<schema::VolumeCreate>::make([&](auto out) {
                       out.setName("vol1");
                       out.setSizeBytes(shape().size_bytes);
                       out.setPartitionBytes(shape().partition_bytes);
                       out.setReplicas(2);
                       auto homes = out.initHomes(3);
                       for (unsigned i = 0; i < 3; ++i)
                         homes.set(i, shape().homes[i].c_str());
                     }));
  }
  void send_delete() {
    world.self->send(x.catalog,
                     packet<schema::VolumeDelete>::make([](auto out) { out.setName("vol1"); }));
  }

  told_store* records;
};

struct operation {
  const char* name;
  std::vector<std::string> steps; ///< The same step at several hosts is named once.
  void (*setup)(life_cell&);
  void (*run)(life_cell&);
  void (*check)(life_cell&); ///< One clean state, of the two that there are.
};

/// There, and it can be used; or not there, and then its name is free.
void whole_or_absent(life_cell& cell) {
  if (!cell.exists())
    cell.create();
  REQUIRE(cell.exists());
  CHECK(cell.attach("a"));
  cell.check_clean();
}

/// There as before; or gone, from every host too.
void whole_or_gone(life_cell& cell) {
  if (cell.exists()) {
    CHECK(cell.attach("a"));
    cell.check_clean();
    return;
  }
  for (auto& [known, host] : cell.hosts.all()) {
    auto& name = known;
    CAPTURE(name);
    CHECK(host.forgotten);
    CHECK(host.replicas.empty());
  }
  CHECK(cell.attach("a").error().code == errc::not_found);
}

const operation operations[] = {
    {"create",
     {"store", "PlaneConfigure"},
     [](life_cell&) {},
     [](life_cell& c) { c.send_create(); },
     whole_or_absent},
    {"delete",
     {"store", "PlaneForget"},
     [](life_cell& c) { c.create(); },
     [](life_cell& c) { c.send_delete(); },
     whole_or_gone},
};

std::vector<std::string> steps_taken(const operation& what) {
  life_cell cell;
  what.setup(cell);
  std::vector<std::string> out;
  cell.on_step([&](std::string step) { out.push_back(std::move(step)); });
  what.run(cell);
  cell.world.settle();
  cell.no_steps();
  what.check(cell);
  return out;
}

} // namespace

TEST_CASE("every step of creating and deleting a volume has a name and a case") {
  for (const auto& what : operations) {
    CAPTURE(what.name);
    auto taken = steps_taken(what);
    taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
    CHECK(taken == what.steps);
  }
}

TEST_CASE("a host killed at any step of creating or deleting a volume leaves one clean state") {
  for (const auto& what : operations)
    for (int at = 0; at < static_cast<int>(steps_taken(what).size()); ++at)
      for (std::string host : {"a", "b", "c"}) {
        CAPTURE(what.name);
        CAPTURE(at);
        CAPTURE(host);
        life_cell cell;
        what.setup(cell);
        int seen = 0;
        cell.on_step([&](const std::string&) {
          if (seen++ == at)
            cell.hosts.kill(host);
        });
        what.run(cell);
        cell.world.settle();
        cell.no_steps();
        cell.live(3);
        cell.hosts.restart(host);
        cell.hello(host);
        cell.live(3);
        what.check(cell);
      }
}

TEST_CASE(
    "a coordinator that dies after any message of creating or deleting leaves one clean state") {
  for (const auto& what : operations) {
    CAPTURE(what.name);
    bool ended = false;
    int before_store = 0;
    for (int messages = 0; !ended; ++messages) {
      REQUIRE(messages < 200);
      CAPTURE(messages);
      life_cell cell;
      what.setup(cell);
      bool stored = false;
      cell.on_step([&](const std::string& step) { stored = stored || step == "store"; });
      what.run(cell);
      cell.run_steps(messages);
      ended = !cell.world.scheduler.has_job();
      cell.restart();
      cell.no_steps(); // what the dying process still did counts
      // The durable step decides, and only that.
      bool created = what.check == whole_or_absent;
      CHECK(cell.exists() == (stored == created));
      cell.live(3);
      what.check(cell);
      before_store += !stored;
    }
    CHECK(before_store > 0);
  }
}
