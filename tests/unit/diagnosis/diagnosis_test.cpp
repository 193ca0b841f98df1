// SPDX-License-Identifier: Apache-2.0
#include "core/diagnosis/diagnosis.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::diagnosis;

namespace {

constexpr std::int64_t now_ms = 1'800'000'000'000;
constexpr std::int64_t day_ms = 86'400'000;

/// Two hosts, one volume of 8 extents with two replicas, attached at a, everything well.
struct healthy_cell : evidence {
  struct disk {
    std::uint64_t total = 100u << 20, free = 60u << 20;
  };
  struct row {
    schema::LeaseState state = schema::LeaseState::NONE;
    std::uint64_t epoch = 0, fence_epoch = 3, map_version = 1;
    std::string failed;
    std::vector<std::uint64_t> watches;
    std::uint64_t lost = 0, id = 1;
  };
  std::map<std::string, row> rows;
  std::map<std::string, disk> disks;
  std::map<std::string, std::int64_t> clocks;
  std::string port_fault;
  std::int64_t light_ms = now_ms - day_ms / 2, full_ms = now_ms - day_ms;

  healthy_cell() {
    this->version = "1.0";
    this->tool_version = "1.0";
    this->now_ms = ::now_ms;
    volume_shape shape;
    shape.id = 1;
    shape.name = "vol1";
    shape.size_bytes = 8u << 20;
    shape.partition_bytes = 2u << 20;
    shape.replicas = 2;
    shape.homes = {"a", "b"};
    lease::volume_facts facts{placement_map{shape}};
    facts.lease.volume = 1;
    facts.lease.epoch = 3;
    facts.lease.holder = "a";
    facts.lease.held_epoch = 3;
    volumes.emplace(1, facts);
    for (auto name : {"a", "b"}) {
      rows[name];
      clocks[name] = now_ms + 5;
      disks[name];
      for (std::uint32_t e = 0; e < 4; ++e)
        at().inventories[name].present.add(e);
    }
    rows["a"].state = schema::LeaseState::PRIMARY;
    rows["a"].epoch = 3;
  }

  volume_evidence& at() { return volumes.at(1); }

  std::vector<finding> look() {
    for (auto& [known, seen] : rows) {
      auto& name = known;
      auto& x = seen;
      auto& host = hosts[name];
      host.address.name = name;
      host.up = true;
      host.version = "1.0";
      host.asked_ms = now_ms;
      host.answered_ms = now_ms + 10;
      host.examined = packet<schema::HostExamined>::make([&](auto out) {
        out.setWallMs(clocks[name]);
        out.setPlaneVersion("1.0");
        auto port = out.initPorts(1)[0];
        port.setHost(name == "a" ? "b" : "a");
        port.setUse("extents");
        port.setFault(port_fault.c_str());
      });
      host.plane = packet<schema::PlaneStatus>::make([&](auto out) {
        auto space = out.initDisk();
        space.setTotalBytes(disks[name].total);
        space.setFreeBytes(disks[name].free);
        out.setStartedMs(now_ms - 100 * day_ms);
        out.initScrub().setLightDoneMs(light_ms);
        out.getScrub().setFullDoneMs(full_ms);
        auto v = out.initVolumes(1)[0];
        v.setId(x.id);
        v.setName("vol1");
        v.setState(x.state);
        v.setEpoch(x.epoch);
        v.setFenceEpoch(x.fence_epoch);
        v.setMapVersion(x.map_version);
        v.setFailed(x.failed.c_str());
        v.setLost(x.lost);
        v.setWatches(kj::arrayPtr(x.watches.data(), x.watches.size()));
      });
    }
    return examine(*this);
  }

  /// Everything that is not ok; there must be exactly one such finding.
  finding only() {
    std::vector<finding> wrong;
    for (auto& x : look())
      if (x.how != verdict::ok)
        wrong.push_back(x);
    REQUIRE_MESSAGE(wrong.size() == 1, wrong.size());
    return wrong.front();
  }
};

bool mentions(const finding& x, const char* words) {
  return x.reason.find(words) != std::string::npos;
}

} // namespace

TEST_CASE("a healthy cell has one line for each check, and all are ok") {
  healthy_cell x;
  auto found = x.look();
  CHECK(found.size() == 12);
  for (auto& one : found) {
    CAPTURE(one.check);
    CAPTURE(one.reason);
    CHECK(one.how == verdict::ok);
    CHECK_FALSE(one.reason.empty());
    CHECK(one.advice.empty());
  }
}

TEST_CASE("versions that differ are named, of the tool, of agents and of data planes") {
  healthy_cell x;
  x.tool_version = "2.0";
  CHECK(mentions(x.only(), "this tool is 2.0, the coordinator 1.0"));
}

TEST_CASE("a clock is judged by what the round trip leaves open") {
  healthy_cell x;
  x.clocks["b"] = now_ms - 900;
  for (auto& one : x.look())
    CHECK(one.how == verdict::ok);
  x.clocks["b"] = now_ms - 1500;
  CHECK(x.only().how == verdict::warn);
  CHECK(mentions(x.only(), "1.5 s behind"));
  x.clocks["b"] = now_ms + 10 + 61'000;
  CHECK(x.only().how == verdict::fail);
  CHECK(mentions(x.only(), "61.0 s ahead of"));
}

TEST_CASE("a port that does not answer fails, unless its host is known to be down") {
  healthy_cell x;
  x.port_fault = "it does not answer";
  auto found = x.look();
  CHECK(std::count_if(found.begin(), found.end(),
                      [](auto& f) { return f.check == "ports" && f.how == verdict::fail; })
        == 2);
}

TEST_CASE("certificates are judged by their end, at the coordinator and at hosts") {
  healthy_cell x;
  x.certificates.push_back({"c.pem", "coordinator", "", now_ms - day_ms, now_ms + 90 * day_ms});
  for (auto& one : x.look())
    CHECK(one.how == verdict::ok);
  x.certificates[0].ends_ms = now_ms + 10 * day_ms;
  CHECK(x.only().how == verdict::warn);
  CHECK(mentions(x.only(), "expires in 10 days"));
  x.certificates[0].ends_ms = now_ms - 2 * day_ms;
  CHECK(x.only().how == verdict::fail);
  x.certificates[0] = {"c.pem", "coordinator", "", now_ms + day_ms, now_ms + 90 * day_ms};
  CHECK(mentions(x.only(), "not valid yet"));
  x.certificates[0].fault = "cannot read 'c.pem'";
  CHECK(x.only().reason == "cannot read 'c.pem'");
}

TEST_CASE("a disk warns when it is nearly full and fails when copies are refused") {
  healthy_cell x;
  x.disks["a"].free = 9u << 20;
  CHECK(x.only().how == verdict::warn);
  x.disks["a"].free = 0;
  CHECK(x.only().how == verdict::fail);
}

TEST_CASE("a failed replica may be reopened, unless it is the only copy of something") {
  healthy_cell x;
  x.rows["b"].failed = "cannot sync";
  CHECK(x.only().cure == remedy{remedy::kind::reopen, 1, "b", 0});
  auto without = x.at().facts.placement.with_lost("a");
  REQUIRE(without);
  x.at().facts.placement = *without;
  bool seen = false;
  for (auto& one : x.look())
    if (one.check == "disks" && one.how == verdict::fail) {
      seen = true;
      CHECK_FALSE(one.cure);
      CHECK(mentions(one, "the only copy"));
    }
  CHECK(seen);
}

TEST_CASE("a failed replica is not given up while the others do not answer either") {
  healthy_cell x;
  x.rows["a"].failed = x.rows["b"].failed = "cannot sync";
  int seen = 0;
  for (auto& one : x.look())
    if (one.check == "disks" && one.how == verdict::fail) {
      ++seen;
      CHECK_FALSE(one.cure);
      CHECK(mentions(one, "the only copy in reach"));
    }
  CHECK(seen == 2);
}

TEST_CASE("epochs: a host that has seen more than the store gave out") {
  healthy_cell x;
  x.rows["b"].fence_epoch = 4;
  CHECK(x.only().how == verdict::fail);
  CHECK(mentions(x.only(), "host b has seen epoch 4, the store has given out 3 at most"));
}

TEST_CASE("epochs: a second primary, a holder that does not serve, a host behind") {
  healthy_cell x;
  x.rows["b"].state = schema::LeaseState::PRIMARY;
  x.rows["b"].epoch = 2;
  CHECK(mentions(x.only(), "host b serves it at epoch 2, but host a holds the lease"));
  x = healthy_cell{};
  x.rows["a"].state = schema::LeaseState::DEACTIVATED;
  CHECK(mentions(x.only(), "host a holds the lease at epoch 3 and does not serve it"));
  x = healthy_cell{};
  x.rows["b"].fence_epoch = 2;
  CHECK(x.only().cure == remedy{remedy::kind::leave_out, 1, "b", 0});
}

TEST_CASE("nothing is compared of a volume that changed while it was looked at") {
  healthy_cell x;
  x.rows["b"].fence_epoch = 4;
  x.at().inventories["a"].retired.add(0);
  x.at().changed = true;
  for (auto& one : x.look())
    CHECK(one.how == verdict::ok);
}

TEST_CASE("maps: a host that refuses what the map says it has, and one that lacks data") {
  healthy_cell x;
  x.at().inventories["b"].retired.add(1);
  CHECK(mentions(x.only(), "host b refuses 1 extent that the map says it has"));
  CHECK(x.only().cure == remedy{remedy::kind::leave_out, 1, "b", 0});
  x = healthy_cell{};
  x.at().inventories["b"].present.remove(3);
  auto possible = possible_gaps(x.at());
  REQUIRE(possible.size() == 1);
  CHECK(possible[0].holder == "a");
  CHECK(possible[0].host == "b");
  CHECK(possible[0].extents == std::vector<std::uint32_t>{3});
  for (auto& one : x.look()) // the digests decide
    CHECK(one.how == verdict::ok);
  x.at().gaps = possible;
  CHECK(mentions(x.only(), "host b lacks the data of 1 extent that host a has"));
}

TEST_CASE("maps: a primary that routes by an older map is told again when a host is out") {
  healthy_cell x;
  auto next = x.at().facts.placement.with_lost("b");
  REQUIRE(next);
  x.at().facts.placement = *next;
  bool told = false;
  for (auto& one : x.look())
    if (one.check == "maps")
      told = one.cure == remedy{remedy::kind::adopt, 1, "b", 0};
  CHECK(told);
}

TEST_CASE("replicas: fewer than asked for is a warning, none in reach a failure") {
  healthy_cell x;
  auto next = x.at().facts.placement.with_lost("b");
  x.at().facts.placement = *next;
  x.rows["a"].map_version = next->version();
  CHECK(x.only().check == "replicas");
  CHECK(x.only().how == verdict::warn);
  x.look();
  x.hosts["a"].up = false;
  int fails = 0;
  for (auto& one : examine(x))
    fails += one.check == "replicas" && one.how == verdict::fail;
  CHECK(fails == 1);
}

TEST_CASE("orphans: what neither map nor move names may be freed; a move's copies may not") {
  healthy_cell x;
  auto without = x.at().facts.placement.with_lost("b");
  auto given_up = without->without_lost("b", std::vector<std::uint32_t>{0});
  auto confirmed = given_up.without_retiring("b", std::vector<std::uint32_t>{0});
  x.at().facts.placement = confirmed;
  auto orphans = [&] {
    for (auto& one : x.look())
      if (one.check == "orphans" && one.how == verdict::warn)
        return one.cure;
    return std::optional<remedy>{};
  };
  CHECK(orphans() == remedy{remedy::kind::sweep, 1, "b", 0});
  lease::move_record move;
  move.id = 9;
  move.destination = "b";
  move.extents = {0};
  x.at().facts.moves[9] = {move, 1};
  CHECK_FALSE(orphans());
}

TEST_CASE("orphans: a volume that the cell does not know is named and never freed") {
  healthy_cell x;
  x.rows["b"].id = 77;
  auto found = x.only();
  CHECK(mentions(found, "keeps volume vol1 (id 77"));
  CHECK_FALSE(found.cure);
}

TEST_CASE("notes: a watch that nobody waits for is ended, one that just begins is not") {
  healthy_cell x;
  x.rows["a"].watches = {1};
  CHECK(x.only().cure == remedy{remedy::kind::unwatch, 1, "a", 1});
  x.rows["a"].watches = {2};
  for (auto& one : x.look())
    CHECK(one.how == verdict::ok);
  auto lost = x.at().facts.placement.with_lost("b");
  x.at().facts.placement = *lost;
  for (auto& one : x.look())
    CHECK((one.check != "notes" || one.how == verdict::ok));
}

TEST_CASE("scrub: lost blocks fail, passes that are late warn") {
  healthy_cell x;
  x.rows["a"].lost = 2;
  CHECK(x.only().how == verdict::fail);
  x = healthy_cell{};
  x.full_ms = now_ms - 31 * day_ms;
  auto late = [&] {
    auto found = x.look();
    return std::count_if(found.begin(), found.end(),
                         [](auto& f) { return f.check == "scrub" && f.how == verdict::warn; });
  };
  CHECK(late() == 2);
  x.full_ms = 0; // up for 100 days and never through
  CHECK(late() == 2);
}
