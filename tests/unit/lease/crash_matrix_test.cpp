// SPDX-License-Identifier: Apache-2.0
// Every step of every operation on a lease or a placement x the death of every role. The steps are
// told by the machines themselves; one that the tables below do not name fails the test, and so
// does a named one that no longer happens.
#include "tests/unit/lease/fake_cell.hpp"
#include "tests/unit/lease/step_names.hpp"

#include "core/lease/requests.hpp"
#include "core/lease/sweep_machine.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// An operation, how it comes about, and the steps it takes when all goes well.
struct operation {
  std::string name;
  void (*setup)(fake_cell&);
  std::optional<lease::finish> (*run)(fake_cell&);
  std::vector<std::string> steps; ///< In order; the same step at several hosts is named once.
  unsigned replicas = 1;
  void (*after)(fake_cell&) = [](fake_cell&) {}; ///< Once all is back: what must be possible.
};

std::vector<std::uint32_t> extents_at(fake_cell& cell, const std::string& host) {
  auto& set = cell.hosts.at(host).replicas;
  return {set.begin(), set.end()};
}

void nothing(fake_cell&) {}
void at_a(fake_cell& cell) {
  REQUIRE_FALSE(cell.flip("a")->why);
}
void at_b_copied_to_c(fake_cell& cell) {
  REQUIRE_FALSE(cell.flip("b")->why);
  REQUIRE_FALSE(cell.move("a", "c", extents_at(cell, "a"))->why);
}
void source_dead(fake_cell& cell) {
  at_a(cell);
  cell.hosts.at("a").state = schema::LeaseState::NONE;
}

void at_a_undrained(fake_cell& cell) {
  at_a(cell);
  cell.hosts.at("a").cannot_note = true;
}

void at_a_and_busy(fake_cell& cell) {
  at_a(cell);
  cell.hosts.at("a").busy_answers = 2;
}

void at_a_with_a_vm(fake_cell& cell) {
  at_a(cell);
  cell.words = {{"armed", lease::word::go}, {"settle", lease::word::keep}};
}

void write_all(fake_cell& cell, int value) {
  for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
    (void)cell.hosts.write(e, value);
}
void written_at_a(fake_cell& cell) {
  at_a(cell);
  write_all(cell, 1);
}
void b_away(fake_cell& cell) {
  written_at_a(cell);
  cell.hosts.at("b").up = false;
}
void b_restarted(fake_cell& cell) {
  written_at_a(cell);
  cell.hosts.power_cycle("b", cell.hosts.at("b").data);
}
/// b missed some writes and may get them.
void b_back(fake_cell& cell) {
  b_away(cell);
  REQUIRE_FALSE(cell.lose("b")->why);
  write_all(cell, 2);
  cell.hosts.at("b").up = true;
}
/// The first of the batches in which b gets back what it missed.
std::optional<lease::finish> resync_batch(fake_cell& cell) {
  auto map = cell.facts().placement;
  lease::move_request request;
  request.id = ++cell.task;
  request.volume = cell.shape.id;
  request.destination = "b";
  request.resync = true;
  for (auto extent : map.lost().at("b").extents) {
    auto source = map.replicas(extent).front();
    if (request.extents.empty())
      request.source = source;
    if (request.source == source)
      request.extents.push_back(extent);
  }
  lease::move_machine uut{request};
  return cell.drive(uut);
}
void nothing_lost(fake_cell& cell) {
  REQUIRE_FALSE(cell.resync("b")->why);
  auto map = cell.facts().placement;
  auto lost = map.lost().find("b");
  CHECK((lost == map.lost().end() || lost->second.extents.isEmpty()));
}
/// a, the source, does not answer: c takes over, and the map does without it.
void source_gone(fake_cell& cell) {
  written_at_a(cell);
  cell.hosts.at("a").up = false;
}
void littered_at_c(fake_cell& cell) {
  written_at_a(cell);
  for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
    if (!cell.facts().placement.holds("c", e)) {
      cell.hosts.at("c").replicas.insert(e);
      cell.hosts.at("c").data[e] = 7;
    }
}
std::optional<lease::finish> sweep_c(fake_cell& cell) {
  lease::sweep_machine uut{{cell.shape.id, "c"}};
  return cell.drive(uut);
}
void swept(fake_cell& cell) {
  REQUIRE_FALSE(sweep_c(cell)->why);
}
const std::vector<operation>& operations() {
  static const std::vector<std::string> change{"read",         "store lease",  "PlaneConfigure",
                                               "PlanePrepare", "PlaneStandby", "PlaneTakeover",
                                               "store lease",  "PlaneRelease"};
  static const std::vector<std::string> attach{change.begin(), change.end() - 1};
  static const std::vector<operation> all{
      {"attach", nothing, [](auto& c) { return c.flip("a"); }, attach},
      {"flip", at_a, [](auto& c) { return c.flip("c"); }, change},
      {"forced flip", source_dead, [](auto& c) { return c.flip("c", true); }, change},
      {"implicit flip",
       at_a_and_busy,
       [](auto& c) { return c.implicit_flip("c"); },
       {"read", "store lease", "PlaneConfigure", "PlanePrepare", "PlaneStandby", "PlaneTakeover",
        "pause", "PlaneTakeover", "pause", "PlaneTakeover", "store lease", "PlaneRelease"}},
      {"held flip",
       at_a_with_a_vm,
       [](auto& c) { return c.flip("c", false, true); },
       {"read", "store lease", "PlaneConfigure", "PlanePrepare", "PlaneStandby", "pause",
        "PlaneTakeover", "store lease", "pause", "PlaneRelease"}},
      {"detach",
       at_a,
       [](auto& c) { return c.flip(""); },
       {"read", "store lease", "PlaneDrain", "store lease", "PlaneRelease"}},
      {"forced detach, the holder cannot be drained",
       at_a_undrained,
       [](auto& c) { return c.flip("", true); },
       {"read", "store lease", "PlaneDrain", "store lease", "PlanePromote", "store lease",
        "PlaneRelease"}},
      {"move, attached",
       at_a,
       [](auto& c) { return c.move("b", "c", extents_at(c, "b")); },
       {"read", "store move", "PlaneConfigure", "PlaneStage", "PlaneMirror", "AgentMove",
        "PlaneVerify", "read", "store move placement", "read", "PlaneCommit", "read", "PlaneAdopt",
        "PlaneMirror", "read", "store move"}},
      {"move, detached",
       nothing,
       [](auto& c) { return c.move("b", "c", extents_at(c, "b")); },
       {"read", "store move", "PlaneConfigure", "PlaneStage", "AgentMove", "PlaneDigest", "read",
        "store move placement", "read", "PlaneCommit", "read", "store move"}},
      {"retire",
       at_b_copied_to_c,
       [](auto& c) { return c.retire("a", extents_at(c, "a")); },
       {"read", "PlaneStatusGet", "store placement", "PlaneAdopt", "PlaneRetire",
        "store placement"}},
      {"removal of a replica",
       b_away,
       [](auto& c) { return c.lose("b"); },
       {"read", "PlaneStatusGet", "PlaneWatch", "store placement", "PlaneAdopt"},
       2},
      {"end of a doubt",
       b_restarted,
       [](auto& c) { return c.settle_doubt("b"); },
       {"read", "PlaneStatusGet", "PlaneWatch", "store placement", "PlaneAdopt", "PlaneTrust"},
       2},
      {"forced flip, the source's host is left out",
       source_gone,
       [](auto& c) { return c.flip("c", true); },
       {"read", "store lease", "PlaneConfigure", "PlanePrepare", "PlaneStatusGet", "PlaneWatch",
        "store placement", "PlaneStandby", "PlaneTakeover", "store lease", "PlaneRelease"},
       2},
      {"resynchronisation",
       b_back,
       resync_batch,
       {"read", "store move", "PlaneConfigure", "PlaneAdopt", "PlaneStage", "PlaneMirror",
        "PlaneChangedGet", "AgentMove", "PlaneVerify", "read", "store move placement", "read",
        "PlaneCommit", "read", "PlaneAdopt", "PlaneMirror", "read", "store move"},
       2,
       nothing_lost},
      {"sweep of orphans",
       littered_at_c,
       sweep_c,
       {"read", "PlaneInventoryGet", "read", "PlaneRetire"},
       2,
       swept},
  };
  return all;
}

/// The steps of a run without any fault, one entry per action.
std::vector<std::string> steps_taken(const operation& what) {
  fake_cell cell{what.replicas};
  what.setup(cell);
  std::vector<std::string> out;
  cell.on_action = [&](const lease::action& next) { out.push_back(step_of(next)); };
  auto end = what.run(cell);
  REQUIRE(end);
  REQUIRE_FALSE(end->why);
  cell.on_action = nullptr;
  for (auto name : {"a", "b", "c"}) // who was away at the start, too
    cell.hosts.restart(name);
  cell.recover();
  cell.check_clean();
  return out;
}

/// How many further actions a killed process is away: its supervisor starts it again.
constexpr int away_actions = 4;

/// Runs `what` while the host's data plane is killed before action number `at`, and comes back.
void kill_host(const operation& what, const std::string& host, int at) {
  fake_cell cell{what.replicas};
  what.setup(cell);
  int seen = 0;
  cell.on_action = [&](const lease::action&) {
    if (seen == at)
      cell.hosts.kill(host);
    if (seen == at + away_actions)
      cell.hosts.restart(host);
    ++seen;
  };
  (void)what.run(cell);
  cell.on_action = nullptr;
  for (auto name : {"a", "b", "c"})
    cell.hosts.restart(name);
  cell.recover();
  what.after(cell);
  cell.check_clean();
}

void kill_coordinator(const operation& what, trouble when, int at) {
  fake_cell cell{what.replicas};
  what.setup(cell);
  cell.plan[cell.actions + at] = when;
  (void)what.run(cell);
  for (auto name : {"a", "b", "c"})
    cell.hosts.restart(name);
  cell.recover();
  what.after(cell);
  cell.check_clean();
}

} // namespace

TEST_CASE("every step of every operation has a name and a case") {
  for (const auto& what : operations()) {
    CAPTURE(what.name);
    auto taken = steps_taken(what);
    taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
    CHECK(fmt::format("{}", fmt::join(taken, ", "))
          == fmt::format("{}", fmt::join(what.steps, ", ")));
  }
}

TEST_CASE("whoever is killed at whatever step, one clean state remains") {
  int cases = 0;
  for (const auto& what : operations()) {
    CAPTURE(what.name);
    auto steps = steps_taken(what);
    for (int at = 0; at < static_cast<int>(steps.size()); ++at) {
      CAPTURE(at);
      CAPTURE(steps[static_cast<std::size_t>(at)]);
      // Source, destination, and whoever else holds extents: these are all hosts there are.
      for (std::string host : {"a", "b", "c"}) {
        CAPTURE(host);
        kill_host(what, host, at);
        ++cases;
      }
      for (auto when : {trouble::crash_before, trouble::crash_after}) {
        kill_coordinator(what, when, at);
        ++cases;
      }
    }
  }
  CHECK(cases > 300);
}
