// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/collector.hpp"
#include "actors/agent/watcher.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

namespace {

/// Takes what the watcher says.
struct heard {
  std::vector<guests_ptr> all;
};

class fake_collector_state {
public:
  using interface = collector_actor;
  static constexpr const char* name = "fake collector";

  fake_collector_state(interface::pointer, std::shared_ptr<heard> into) : into_(std::move(into)) {}
  interface::behavior_type make_behavior() {
    return {[](tick_alarm) {}, [](drain_alarm) {},
            [this](const guests_ptr& x) { into_->all.push_back(x); }};
  }

private:
  std::shared_ptr<heard> into_;
};

} // namespace

TEST_CASE("watcher: what its sources say comes to the collector, and who says nothing is named") {
  agent_fixture x;
  auto into = std::make_shared<heard>();
  bool libvirt_up = false;
  std::vector<guest_source> sources{{"qmp",
                                     [] {
                                       guest_sample one;
                                       one.volume = "vm1";
                                       one.source = "qmp";
                                       return result<guest_samples>{guest_samples{one}};
                                     }},
                                    {"libvirt", [&]() -> result<guest_samples> {
                                       if (!libvirt_up)
                                         return fault{errc::unreachable, "not running"};
                                       return guest_samples{};
                                     }}};
  auto uut = x.system.spawn<watcher>(x.system.spawn<hosted<fake_collector_state>>(into), sources,
                                     watcher_options{});
  x.settle();
  REQUIRE(into->all.size() == 1);
  CHECK(into->all[0]->samples.size() == 1);
  CHECK(into->all[0]->missing == std::vector<std::string>{"libvirt"});
  libvirt_up = true;
  x.pass(1s, 100ms);
  REQUIRE(into->all.size() == 2);
  CHECK(into->all[1]->missing.empty());
  (void)uut;
}

TEST_CASE("watcher: no source, nothing to ask") {
  manual_clock clock;
  CHECK(guest_sources("", "", clock).empty());
  CHECK(guest_sources("/nowhere", "", clock).size() == 1);
  auto got = guest_sources("/nowhere", "", clock)[0].sample();
  REQUIRE(got);
  CHECK(got->empty());
}

TEST_CASE("a VCI's report has what hypervisors tell of its volume, QEMU's own word first") {
  manual_clock clock;
  host_reporter uut{"host-a", clock};
  auto status = packet<schema::PlaneStatus>::make([](auto root) {
    root.setPid(1);
    auto volume = root.initVolumes(1)[0];
    volume.setId(7);
    volume.setName("vm1");
    auto client = root.initClients(1)[0];
    client.setVolume(7);
    client.setPid(static_cast<std::uint32_t>(::getpid()));
  });
  guests_seen seen;
  guest_sample qemu;
  qemu.volume = "vm1";
  qemu.source = "qmp";
  qemu.reads = 100;
  qemu.dirty_bytes = 5u << 20;
  guest_sample virt;
  virt.volume = "vm1";
  virt.source = "libvirt";
  virt.reads = 1;
  virt.domain = "guest";
  virt.domain_state = "running";
  virt.memory_bytes = 1u << 30;
  guest_sample other = qemu;
  other.volume = "vm2";
  other.reads = 9999;
  seen.samples = {other, qemu, virt};
  auto report = uut.report(&status, seen);
  REQUIRE(report.read().getVcis().size() == 1);
  auto vci = report.read().getVcis()[0];
  CHECK(vci.getGuestReads() == 100);
  CHECK(vci.getDirtyBytes() == 5u << 20);
  CHECK(std::string{vci.getDomain().cStr()} == "guest");
  CHECK(vci.getMemoryBytes() == 1u << 30);
  CHECK(vci.getSources().size() == 2);
  seen.samples.clear();
  seen.missing = {"libvirt"};
  auto without = uut.report(&status, seen);
  bool named = false;
  for (auto x : without.read().getVcis()[0].getMissing())
    named |= x == "libvirt";
  CHECK(named);
  CHECK(without.read().getVcis()[0].getSources().size() == 0);
}
