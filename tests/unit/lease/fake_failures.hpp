// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "tests/unit/lease/fake_host.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>

namespace foreshift::test {

// How a model host whose replica answers nothing takes requests again.

/// A failed replica is not trusted: it begins anew.
inline std::optional<fault> reopen_replica(std::map<std::string, fake_host>& hosts,
                                           fake_host& host) {
  if (host.failed.empty())
    return fault{errc::precondition, "it has not failed"};
  for (auto& [name, peer] : hosts)
    if (peer.state == schema::LeaseState::PRIMARY && peer.map)
      for (auto extent : host.replicas)
        CHECK(&hosts.at(peer.map->replicas(extent).front()) != &host);
  host.failed.clear();
  host.data.clear();
  host.replicas.clear();
  return {};
}

/// Whoever else has what the host is trusted with again would know better.
inline std::optional<fault> trust_replica(std::map<std::string, fake_host>& hosts,
                                          const std::string& name, fake_host& host,
                                          std::uint64_t doubt) {
  if (host.doubt == 0)
    return {};
  if (doubt != host.doubt)
    return fault{errc::refused, "another doubt"};
  for (auto& [other, peer] : hosts)
    if (peer.state == schema::LeaseState::PRIMARY && peer.map)
      for (auto extent : peer.map->in_sync(name))
        CHECK(peer.map->replicas(extent).size() == 1);
  host.doubt = 0;
  return {};
}

} // namespace foreshift::test
