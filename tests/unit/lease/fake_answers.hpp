// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/volume/roaring_codec.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/plane.capnp.h"
#include "tests/unit/lease/fake_host.hpp"

#include <string>

namespace foreshift::test {

// What a model host says of itself.

inline door::envelope told_status(const std::string& name, const fake_host& host,
                                  const volume_shape& shape) {
  return door::wrap(packet<schema::PlaneStatus>::make([&](auto out) {
    out.setHost(name.c_str());
    out.setPid(1);
    auto row = out.initVolumes(1)[0];
    row.setId(shape.id);
    row.setName(shape.name.c_str());
    row.setState(host.state);
    row.setEpoch(host.epoch);
    row.setFenceEpoch(host.fence_epoch);
    row.setMapVersion(host.map ? host.map->version() : 0);
    row.setExtentsPresent(host.data.size());
    row.setFailed(host.failed.c_str());
    row.setDoubt(host.doubt);
    auto watches = row.initWatches(static_cast<unsigned>(host.notes.size()));
    unsigned i = 0;
    for (auto& [since, extents] : host.notes)
      watches.set(i++, since);
  }));
}

inline door::envelope told_inventory(const fake_host& host) {
  return door::wrap(packet<schema::PlaneInventory>::make([&](auto out) {
    roaring::Roaring all;
    for (auto& [extent, value] : host.data)
      all.add(extent);
    auto bytes = encode_roaring(all);
    out.setPresent(kj::arrayPtr(bytes.data(), bytes.size()));
  }));
}

inline door::envelope told_changed(const fake_host& host, schema::PlaneChangedGet::Reader x) {
  auto at = host.notes.find(x.getSince());
  return door::wrap(packet<schema::PlaneChanged>::make([&](auto out) {
    out.setKnown(at != host.notes.end());
    roaring::Roaring all;
    if (at != host.notes.end())
      for (auto extent : at->second)
        all.add(extent);
    auto bytes = encode_roaring(all);
    out.setExtents(kj::arrayPtr(bytes.data(), bytes.size()));
  }));
}

inline door::envelope told_digests(const fake_host& host, schema::PlaneDigest::Reader x) {
  return door::wrap(packet<schema::PlaneDigests>::make([&](auto out) {
    auto digests = out.initDigests(x.getExtents().size());
    for (unsigned i = 0; i < digests.size(); ++i) {
      auto at = host.data.find(x.getExtents()[i]);
      digests.set(i, 1000 + (at == host.data.end() ? 0u : static_cast<unsigned>(at->second)));
    }
  }));
}

inline door::envelope told_examination(const fake_host& host, schema::HostExamine::Reader x) {
  return door::wrap(packet<schema::HostExamined>::make([&](auto out) {
    out.setWallMs(host.wall_ms);
    out.setVersion("1.0");
    out.setPlaneVersion("1.0");
    auto ports = out.initPorts(x.getPeers().size());
    for (unsigned i = 0; i < ports.size(); ++i) {
      std::string peer = x.getPeers()[i].getName().cStr();
      ports[i].setHost(peer.c_str());
      ports[i].setUse("extents");
      ports[i].setFault(peer == host.deaf_to ? "it does not answer" : "");
    }
  }));
}

} // namespace foreshift::test
