// SPDX-License-Identifier: Apache-2.0
#include "core/plan/targets.hpp"

#include "core/base/units.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

struct situation {
  situation() {
    volume_shape shape;
    shape.id = 3;
    shape.name = "db";
    shape.size_bytes = gib;
    shape.homes = {"a", "b"};
    map.emplace(shape);
    expected.horizon_ms = 60'000;
    for (std::uint32_t e = 0; e < 100; ++e) {
      expected.extents.push_back({e, 10, 0, mib});
      expected.total_reads += 10;
    }
    for (auto name : {"a", "b", "c", "d"}) {
      host_view x;
      x.name = name;
      x.total_bytes = x.free_bytes = 100 * gib;
      hosts.push_back(x);
    }
  }

  std::vector<target> ranked() const {
    std::vector<target> all;
    for (auto& host : hosts) {
      plan_request request;
      request.to = host.name;
      all.push_back(appraise({&*map, &expected, "a", host.name}, hosts, host, request));
    }
    rank(all);
    return all;
  }

  std::optional<placement_map> map;
  forecast expected;
  std::vector<host_view> hosts;
};

} // namespace

TEST_CASE("where least has to be copied comes first, where the volume is last") {
  situation now;
  auto all = now.ranked();
  REQUIRE(all.size() == 4);
  CHECK(all[0].host.name == "b"); // a home: some of it is there
  CHECK(all[0].coverage > 0);
  CHECK(all[0].bytes + static_cast<std::uint64_t>(all[0].coverage * 100 + 0.5) * mib == 100 * mib);
  CHECK(all[1].host.name == "c");
  CHECK(all[1].bytes == 100 * mib);
  CHECK(all[1].coverage == 0);
  CHECK(all[3].host.name == "a");
  CHECK(all[3].why_not == "it is there already");
}

TEST_CASE("of hosts that take alike the idle one comes first") {
  situation now;
  now.hosts[2].cpu_share = 0.9;
  CHECK(now.ranked()[1].host.name == "d");
}

TEST_CASE("hosts that are down or full are no targets and say why") {
  situation now;
  now.hosts[1].up = false;
  now.hosts[2].free_bytes = 0;
  auto all = now.ranked();
  CHECK(all[0].host.name == "d");
  for (auto& x : all) {
    if (x.host.name == "b")
      CHECK(x.why_not == "down");
    if (x.host.name == "c")
      CHECK(x.why_not == "no room for what is hot");
  }
}

TEST_CASE("without a forecast every host that is up is a target") {
  situation now;
  plan_request request;
  request.to = "c";
  auto x = appraise({&*now.map, nullptr, "a", "c"}, now.hosts, now.hosts[2], request);
  CHECK(x.why_not.empty());
  CHECK(x.bytes == 0);
}
