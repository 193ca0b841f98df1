// SPDX-License-Identifier: Apache-2.0
#include "core/codec/json.hpp"

#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

#include <capnp/compat/json.h>
#include <doctest/doctest.h>

#include <limits>

using namespace foreshift;

namespace {

/// Reads JSON back with the same schema.
template <class Schema>
packet<Schema> parse(const std::string& json) {
  capnp::JsonCodec codec;
  return packet<Schema>::make([&](auto root) {
    codec.decode(kj::StringPtr{json.c_str(), json.size()}, root);
  });
}

} // namespace

TEST_CASE("json: a packet is rendered with the schema's names") {
  auto x = packet<schema::Fault>::make([](auto root) {
    root.setCode(3);
    root.setDetail("no volume named \"x\"\n");
  });
  CHECK(to_json(x, false) == R"({"code":3,"detail":"no volume named \"x\"\n"})");
}

TEST_CASE("json: 64-bit integers keep every digit") {
  auto x = packet<schema::PlaneAbort>::make(
      [](auto root) { root.setVolume(std::numeric_limits<std::uint64_t>::max()); });
  CHECK(to_json(x, false).find("\"18446744073709551615\"") != std::string::npos);
}

TEST_CASE("json: what is rendered can be read back to the same packet") {
  auto x = packet<schema::PlaneStatus>::make([](auto root) {
    root.setHost("höst-ä \t \\ \"");
    root.setStartedMs(std::numeric_limits<std::int64_t>::min());
    auto volumes = root.initVolumes(2);
    volumes[0].setEpoch(1ull << 63);
    volumes[1].initMoves(2).set(0, 9);
  });
  for (bool pretty : {false, true})
    CHECK(parse<schema::PlaneStatus>(to_json(x, pretty)) == x);
}

TEST_CASE("json: an empty packet renders its defaults") {
  CHECK(to_json(packet<schema::Done>{}, false) == "{}");
  CHECK(to_json(packet<schema::Fault>{}, false).find("\"code\":0") != std::string::npos);
}
