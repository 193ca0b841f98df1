// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/coordinator/test_cell.hpp"

#include "actors/base/hosted.hpp"
#include "tests/unit/lease/at_rest.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <doctest/doctest.h>

namespace foreshift::test {

namespace {

/// An agent's door in front of the model of a host.
class fake_agent_state {
public:
  using interface = courier_actor;

  static constexpr const char* name = "fake_agent";

  fake_agent_state(interface::pointer, std::string host, fake_hosts* hosts)
      : host_(std::move(host)), hosts_(hosts) {}

  interface::behavior_type make_behavior() {
    return {[this](const sealed& x) -> caf::result<sealed> {
      auto got = hosts_->deliver(host_, *x);
      if (!got)
        return to_caf(got.error());
      return sealed{*std::move(got)};
    }};
  }

private:
  const std::string host_;
  fake_hosts* const hosts_;
};

} // namespace

test_cell::test_cell(unsigned replicas, std::shared_ptr<store> records)
    : shape_(make_small_shape(1, replicas)), hosts(shape_), store_(std::move(records)) {
  placement_map map{shape_};
  for (auto name : {"a", "b", "c"})
    for (std::uint32_t e = 0; e < shape().extents(); ++e)
      if (hosts.at(name); map.holds(name, e))
        hosts.at(name).replicas.insert(e);
  slog::set_level(slog::level::off);
  rules.hold = 3600s; // the background stays out of it unless a test says so
  rules.follow = follow_rule::NONE;
  start();
  for (auto name : {"a", "b", "c"})
    hello(name);
}

void test_cell::start() {
  auto connect = [this](const lease::host_address& host) -> courier_actor {
    return world.system.spawn<hosted<fake_agent_state>>(host.name, &hosts);
  };
  control::cell_options how;
  how.rules = rules;
  how.detached = false;
  x = control::spawn_cell(world.system, store_, connect, clock, how);
  world.settle();
}

void test_cell::crash() {
  for (auto& whom : actors())
    caf::anon_send_exit(whom, caf::exit_reason::kill);
  world.scheduler.clock().cancel_all();
  world.settle();
  x = {};
}

void test_cell::restart() {
  crash();
  start();
  for (auto name : {"a", "b", "c"})
    if (hosts.at(name).up)
      hello(name);
}

void test_cell::run_steps(int steps) {
  for (int i = 0; i < steps && world.scheduler.has_job(); ++i)
    world.scheduler.run_once();
}

void test_cell::stop() {
  x.stop();
  world.scheduler.clock().cancel_all();
}

void test_cell::advance(std::chrono::milliseconds span) {
  for (auto left = span; left > 0ms; left -= 100ms) {
    clock.advance(100ms);
    world.advance(100ms);
  }
}

void test_cell::hello(const std::string& host) {
  world.ask<packet<schema::HostWelcome>>(x.membership,
                                         packet<schema::HostHello>::make([&](auto out) {
                                           auto address = out.initAddress();
                                           address.setName(host.c_str());
                                           address.setAgent(("fake:" + host).c_str());
                                         }));
  report(host);
}

void test_cell::report(const std::string& host) {
  auto& now = hosts.at(host);
  world.ask<packet<schema::Done>>(
      x.membership, packet<schema::HostReport>::make([&](auto out) {
        out.setHost(host.c_str());
        auto disk = out.initNbsr().initDisk();
        disk.setTotalBytes(1u << 30);
        auto used = now.replicas.size() * shape().extent_bytes;
        disk.setFreeBytes(free_bytes > used ? free_bytes - used : 0);
        auto plane = out.initPlane();
        plane.setPid(1);
        plane.setDisk(disk);
        if (now.forgotten)
          return;
        auto row = plane.initVolumes(1)[0];
        row.setId(1);
        row.setState(now.state);
        row.setEpoch(now.epoch);
        row.setDoubt(now.doubt);
        row.setMissed(kj::arrayPtr(now.missed.data(), now.missed.size()));
        auto moves = row.initMoves(static_cast<unsigned>(now.staged.size()));
        unsigned i = 0;
        for (auto& [move, extents] : now.staged)
          moves.set(i++, move);
      }));
}

void test_cell::report_all() {
  for (auto name : {"a", "b", "c"})
    if (hosts.at(name).up)
      report(name);
}

void test_cell::create() {
  world.ask<packet<schema::VolumeInfo>>(
      x.catalog, packet<schema::VolumeCreate>::make([&](auto out) {
        out.setName("vol1");
        out.setSizeBytes(shape().size_bytes);
        out.setPartitionBytes(shape().partition_bytes);
        out.setReplicas(static_cast<std::uint8_t>(shape().replicas));
        auto& names = shape().homes;
        auto homes = out.initHomes(static_cast<unsigned>(names.size()));
        for (unsigned i = 0; i < names.size(); ++i)
          homes.set(i, names[i].c_str());
      }));
}

result<packet<schema::Task>> test_cell::attach(const char* host) {
  return run<schema::VolumeAttach>([&](auto out) {
    out.setName("vol1");
    out.setHost(host);
  });
}

result<packet<schema::Task>> test_cell::flip(const char* host) {
  return run<schema::FlipStart>([&](auto out) {
    out.setVolume("vol1");
    out.setTo(host);
  });
}

result<packet<schema::Task>> test_cell::migrate(const char* host, double gate,
                                                std::uint32_t timeout_ms) {
  return run<schema::MigrateStart>([&](auto out) {
    out.setVolume("vol1");
    out.setTo(host);
    out.setGate(gate);
    out.setTimeoutMs(timeout_ms);
  });
}

void test_cell::suspect(const char* reporter, const char* host, std::uint64_t epoch) {
  suspect(reporter, std::vector{host}, epoch);
}

void test_cell::suspect(const char* reporter, const std::vector<const char*>& all,
                        std::uint64_t epoch) {
  world.ask<packet<schema::Done>>(x.mender, packet<schema::ReplicasSuspected>::make([&](auto out) {
                                    out.setReporter(reporter);
                                    auto list = out.initSuspects(static_cast<unsigned>(all.size()));
                                    for (unsigned i = 0; i < list.size(); ++i) {
                                      list[i].setVolume(1);
                                      list[i].setEpoch(epoch);
                                      list[i].setHost(all[i]);
                                      list[i].setReason("unreachable");
                                    }
                                  }));
}

void test_cell::live(int seconds) {
  for (int i = 0; i < seconds; ++i) {
    advance(1s);
    report_all();
  }
}

packet<schema::VolumeInfo> test_cell::show() {
  return world.ask<packet<schema::VolumeInfo>>(
      x.directory, packet<schema::VolumeShow>::make([](auto out) { out.setName("vol1"); }));
}

packet<schema::Task> test_cell::task(std::uint64_t id) {
  return world.ask<packet<schema::Task>>(
      x.conductor, packet<schema::TaskShow>::make([&](auto out) { out.setId(id); }));
}

lease::volume_facts test_cell::facts() {
  return *world.ask<control::facts_ptr>(x.catalog, control::facts_request{1});
}

void test_cell::forecast(const char* host) {
  world.ask<packet<schema::Done>>(x.board, packet<schema::ForecastReport>::make([&](auto out) {
                                    auto f = out.initForecast();
                                    f.setVolume(1);
                                    f.setHost(host);
                                    f.setHorizonMs(60'000);
                                    f.setTotalReads(800);
                                    auto extents = f.initExtents(8);
                                    for (unsigned e = 0; e < 8; ++e) {
                                      extents[e].setExtent(e);
                                      extents[e].setReads(100);
                                      extents[e].setBytes(1 << 20);
                                    }
                                  }));
}

void test_cell::check_clean() {
  auto now = facts();
  check_at_rest(now, hosts);
  for (auto& [known, host] : hosts.all()) {
    auto& name = known;
    CAPTURE(name);
    for (std::uint32_t e = 0; e < shape().extents(); ++e)
      CHECK(host.replicas.contains(e) == now.placement.holds(name, e));
  }
}

std::vector<caf::strong_actor_ptr> test_cell::actors() const {
  auto raw = [](const auto& whom) { return caf::actor_cast<caf::strong_actor_ptr>(whom); };
  return {raw(x.herald),    raw(x.mender), raw(x.directory), raw(x.balancer),
          raw(x.conductor), raw(x.board),  raw(x.catalog),   raw(x.membership),
          raw(x.events),    raw(x.doctor), raw(x.authority)};
}

} // namespace foreshift::test
