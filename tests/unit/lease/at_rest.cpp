// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lease/at_rest.hpp"

#include <doctest/doctest.h>

namespace foreshift::test {

void check_at_rest(const lease::volume_facts& now, fake_hosts& hosts) {
  CHECK(now.lease.prepared.id == 0);
  CHECK(now.moves.empty());
  CHECK(now.placement.retiring().empty());
  for (auto& [known, host] : hosts.all()) {
    auto& name = known; // clang 14 captures no structured binding
    CAPTURE(name);
    CHECK(host.staged.empty());
    bool holder = name == now.lease.holder;
    CHECK((host.state == schema::LeaseState::PRIMARY) == holder);
    if (holder)
      CHECK(host.epoch == now.lease.held_epoch);
  }
  hosts.check_data(now.placement);
}

} // namespace foreshift::test
