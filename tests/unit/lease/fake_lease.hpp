// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/lease/fake_host.hpp"

namespace foreshift::test {

// What a model host does with a lease.

inline std::optional<fault> fence(fake_host& host, std::uint64_t epoch, const std::string& holder) {
  if (epoch < host.fence_epoch || (epoch == host.fence_epoch && host.fence_holder != holder))
    return fault{errc::refused, "fenced"};
  host.fence_epoch = epoch;
  host.fence_holder = holder;
  return {};
}

inline std::optional<fault> drain(fake_host& host, std::uint64_t epoch) {
  if (host.epoch != epoch)
    return fault{errc::refused, "holds another epoch"};
  if (host.cannot_note)
    return fault{errc::no_space, "its database is full"};
  if (host.state == schema::LeaseState::PRIMARY)
    host.state = schema::LeaseState::DRAINING;
  if (host.state != schema::LeaseState::DRAINING)
    return fault{errc::refused, "not primary"};
  return {};
}

inline std::optional<fault> release(fake_host& host, std::uint64_t epoch) {
  if (host.epoch == epoch) {
    host.state = schema::LeaseState::NONE;
    host.mirrored.clear();
  }
  return {};
}

} // namespace foreshift::test
