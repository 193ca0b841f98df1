// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/lease/fake_cell.hpp"

#include <doctest/doctest.h>

namespace foreshift::test {

/// Two replicas an extent, a is primary, everything has been written once.
struct loss_cell : fake_cell {
  loss_cell() : fake_cell(2) {
    REQUIRE_FALSE(flip("a")->why);
    write_all();
  }

  /// How many of the writes, one an extent, were acknowledged.
  int write_all() {
    int done = 0;
    for (std::uint32_t e = 0; e < shape.extents(); ++e)
      done += hosts.write(e, ++value);
    return done;
  }

  std::uint32_t one_at(const std::string& host) const {
    return *facts().placement.in_sync(host).begin();
  }

  int value = 0;
};

struct without_b : loss_cell {
  without_b() {
    hosts.at("b").up = false;
    REQUIRE_FALSE(lose("b")->why);
  }
};

struct b_returns : without_b {
  b_returns() {
    written = facts().placement.lost().at("b").extents.minimum();
    REQUIRE(hosts.write(written, ++value));
    hosts.at("b").up = true;
  }
  std::uint32_t written = 0;
};

/// Runs `scenario` with every trouble at every action, writing before each; then what a coordinator
/// does after a restart, and `again`.
template <class Cell, class Scenario, class Again>
int survives_everything(Scenario scenario, Again again) {
  auto prepare = [](Cell& cell) {
    cell.on_action = [&](const lease::action&) {
      for (std::uint32_t e = 0; e < cell.shape.extents(); ++e)
        if (cell.hosts.write(e, ++cell.value))
          cell.hosts.check_data(cell.facts().placement);
    };
  };
  Cell calm;
  prepare(calm);
  auto begin = calm.actions;
  auto smooth = scenario(calm);
  REQUIRE(smooth);
  REQUIRE_FALSE(smooth->why);
  auto end = calm.actions;
  for (auto at = begin; at < end; ++at)
    for (auto what : troubles) {
      CAPTURE(at);
      CAPTURE(static_cast<int>(what));
      Cell cell;
      prepare(cell);
      cell.plan[at] = what;
      (void)scenario(cell);
      cell.recover();
      again(cell);
      cell.check_clean();
    }
  return (end - begin) * 5;
}

} // namespace foreshift::test
