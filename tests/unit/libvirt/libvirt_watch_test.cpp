// SPDX-License-Identifier: Apache-2.0
// libvirt's own test driver stands for a hypervisor.
#include "core/libvirt/libvirt_watch.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

using namespace foreshift;

#ifdef FORESHIFT_LIBVIRT

namespace {

/// A node of the test driver with one running domain that has a disk of ours.
struct node_file {
  std::string path = "/tmp/foreshift-libvirt-" + std::to_string(::getpid()) + ".xml";

  node_file() {
    std::ofstream{path} << R"(<node>
  <domain type='test'>
    <name>guest</name>
    <memory>131072</memory>
    <vcpu>2</vcpu>
    <os><type>hvm</type></os>
    <devices>
      <disk type='network' device='disk'>
        <source protocol='nbd' name='vm1'>
          <host transport='unix' socket='/run/foreshift/nbd.sock'/>
        </source>
        <target dev='vda' bus='virtio'/>
      </disk>
    </devices>
  </domain>
</node>)";
  }
  ~node_file() { std::remove(path.c_str()); }
};

} // namespace

TEST_CASE("libvirt's default test node has a domain without a disk of ours") {
  manual_clock clock;
  libvirt_watch uut{"test:///default", clock};
  auto first = uut.sample();
  REQUIRE(first);
  CHECK(first->empty());
}

TEST_CASE("a domain's drive on a volume is measured, with rates from the second look on") {
  node_file node;
  manual_clock clock;
  libvirt_watch uut{"test://" + node.path, clock};
  auto first = uut.sample();
  REQUIRE(first);
  REQUIRE(first->size() == 1);
  auto& one = first->front();
  CHECK(one.volume == "vm1");
  CHECK(one.source == "libvirt");
  CHECK(one.domain == "guest");
  CHECK(one.domain_state == "running");
  CHECK(one.memory_bytes == 131072ull * 1024);
  CHECK(one.cpu_share == 0);
  clock.advance(std::chrono::seconds{10});
  auto second = uut.sample();
  REQUIRE(second);
  REQUIRE(second->size() == 1);
  // The test driver makes up growing figures from the wall clock; they must come as rates.
  CHECK(second->front().cpu_share >= 0);
  CHECK(second->front().cpu_share < 100);
}

TEST_CASE("a libvirt that is not there is named") {
  manual_clock clock;
  libvirt_watch uut{"test:///nowhere/at/all.xml", clock};
  auto got = uut.sample();
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::unreachable);
}

#else

TEST_CASE("a build without libvirt says so") {
  manual_clock clock;
  libvirt_watch uut{"test:///default", clock};
  CHECK(uut.sample().error().code == errc::precondition);
}

#endif
