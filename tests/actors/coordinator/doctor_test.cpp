// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// Two replicas an extent, attached at a, everything written and everything well.
struct examined_cell : test_cell {
  examined_cell() : test_cell(2) {
    create();
    REQUIRE(attach("a"));
    for (std::uint32_t e = 0; e < shape().extents(); ++e)
      (void)hosts.write(e, 1);
    report_all();
  }

  packet<schema::Diagnosis> look(bool repair = false) {
    for (auto& [name, host] : hosts.all())
      host.wall_ms = clock.wall_ms() + host_offset_ms[name];
    return world.ask<packet<schema::Diagnosis>>(x.doctor,
                                                packet<schema::CellExamine>::make([&](auto out) {
                                                  out.setRepair(repair);
                                                  out.setVersion("1.0");
                                                }));
  }

  /// "check subject: repair" of everything that is not ok, versions aside: this cell has none.
  std::vector<std::string> wrong(const packet<schema::Diagnosis>& found) {
    std::vector<std::string> all;
    for (auto one : found.read().getChecks())
      if (one.getVerdict() != schema::Verdict::OK && one.getName() != "versions")
        all.push_back(std::string{one.getName().cStr()} + " " + one.getSubject().cStr() + ": "
                      + one.getRepair().cStr());
    return all;
  }

  std::map<std::string, std::int64_t> host_offset_ms;
};

using strings = std::vector<std::string>;

} // namespace

TEST_CASE("the doctor finds a healthy cell healthy") {
  examined_cell cell;
  auto found = cell.look();
  CHECK(cell.wrong(found) == strings{});
  CHECK(found.read().getChecks().size() >= 12);
}

TEST_CASE("the doctor asks every host about its clock and the ports of all others") {
  examined_cell cell;
  cell.host_offset_ms["b"] = -5000;
  cell.hosts.at("c").deaf_to = "a";
  CHECK(cell.wrong(cell.look()) == strings{"clocks host b: ", "ports host c: "});
}

TEST_CASE("a host that is down is one finding, not one for each of its ports") {
  examined_cell cell;
  cell.hosts.at("c").up = false;
  cell.advance(1s);
  auto found = cell.wrong(cell.look());
  REQUIRE(found.size() == 1);
  CHECK(found[0] == "hosts host c: ");
}

TEST_CASE("without --repair the doctor changes nothing") {
  examined_cell cell;
  cell.hosts.at("a").notes[1];
  CHECK(cell.wrong(cell.look()) == strings{"notes volume vol1: "});
  CHECK(cell.hosts.at("a").notes.size() == 1);
}

TEST_CASE("--repair ends notes that nobody waits for, and frees orphans") {
  examined_cell cell;
  cell.hosts.at("a").notes[1];
  std::string elsewhere;
  for (auto name : {"a", "b", "c"})
    if (!cell.facts().placement.holds(name, 0))
      elsewhere = name;
  cell.hosts.at(elsewhere).data[0] = 1;
  auto found = cell.look(true);
  CHECK(cell.wrong(found)
        == strings{"orphans volume vol1: freed 1.0 MiB", "notes volume vol1: ended"});
  CHECK(found.read().getVerdict() != schema::Verdict::FAIL);
  CHECK_FALSE(cell.hosts.at(elsewhere).data.contains(0));
  CHECK(cell.wrong(cell.look()) == strings{});
}

TEST_CASE("--repair takes a failed replica out, empties it, and it gets its data back") {
  examined_cell cell;
  cell.hosts.at("b").failed = "cannot sync";
  CHECK(cell.look().read().getVerdict() == schema::Verdict::FAIL);
  auto found = cell.look(true);
  CHECK(cell.wrong(found)
        == strings{"disks host b: emptied and taken into use again; it gets its data back"});
  CHECK(found.read().getVerdict() != schema::Verdict::FAIL);
  CHECK(cell.hosts.at("b").failed.empty());
  cell.live(8);
  CHECK(cell.facts().placement.lost().empty());
  cell.check_clean();
  CHECK(cell.wrong(cell.look()) == strings{});
}

TEST_CASE("--repair says so when it cannot: the only copy is not given up") {
  examined_cell cell;
  cell.hosts.at("c").up = false; // it has what a has
  cell.hosts.at("a").failed = "cannot sync";
  auto found = cell.look(true);
  bool named = false;
  for (auto one : found.read().getChecks())
    if (one.getName() == "disks") {
      named = true;
      CHECK_FALSE(one.getRepaired());
      CHECK(one.getRepair().size() == 0);
    }
  CHECK(named);
  CHECK(found.read().getVerdict() == schema::Verdict::FAIL);
  CHECK(cell.hosts.at("a").failed == "cannot sync");
}
