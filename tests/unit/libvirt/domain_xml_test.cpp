// SPDX-License-Identifier: Apache-2.0
#include "core/libvirt/libvirt_watch.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

constexpr const char* domain = R"(<domain type='kvm' id='1'>
  <name>vm1</name>
  <devices>
    <disk type='file' device='disk'>
      <source file='/var/lib/x.img'/>
      <target dev='sda' bus='scsi'/>
    </disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='nbd' name='vm1-root' index='1'>
        <host transport='unix' socket='/run/foreshift/nbd.sock'/>
      </source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type="network"><source name="pool/x" protocol="rbd"/><target dev="vdb"/></disk>
    <disk type="network"><target bus="virtio" dev="vdc"/>
      <source name="vm1-data" protocol="nbd"/></disk>
    <diskette type='network'/>
  </devices>
</domain>)";

} // namespace

TEST_CASE("the NBD disks of a domain are found, whatever the order of its attributes") {
  CHECK(nbd_disks_in(domain) == std::vector<domain_disk>{{"vda", "vm1-root"}, {"vdc", "vm1-data"}});
}

TEST_CASE("text that is no domain has no disks, and none does harm") {
  for (auto text :
       {"", "<", "<disk", "<disk ", "<disk type='network'>", "<disk type='network", "</disk>",
        "<disk type='network'><source protocol='nbd' name='", "<disk type=network><source/>"})
    CHECK(nbd_disks_in(text).empty());
  std::string many;
  for (int i = 0; i < 10'000; ++i)
    many += "<disk type='network'><source protocol='nbd' name='x'/><target dev='y'/></disk>";
  CHECK(nbd_disks_in(many).size() == 256);
  CHECK(nbd_disks_in(std::string(1'000'000, '<')).empty());
}
