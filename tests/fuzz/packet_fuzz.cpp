// SPDX-License-Identifier: Apache-2.0
// The first byte picks a schema, the rest is a message from a stranger. Whatever is admitted must
// be readable to its last field, and its canonical form must be admitted again as the same packet.
#include "core/codec/json.hpp"
#include "core/codec/packet.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/api.capnp.h"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

using namespace foreshift;

namespace {

template <class Schema>
void try_admit(std::span<const std::byte> bytes) {
  auto x = packet<Schema>::admit(bytes);
  if (!x)
    return;
  FORESHIFT_ENSURE(x->bytes().size() <= packet_bytes_max);
  FORESHIFT_ENSURE(!to_string(*x).empty() && !to_json(*x).empty());
  auto again = packet<Schema>::admit(x->bytes());
  FORESHIFT_ENSURE(again && *again == *x);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  std::span bytes{reinterpret_cast<const std::byte*>(data) + 1, size - 1};
  switch (data[0] % 6) {
  case 0:
    try_admit<schema::Fault>(bytes);
    break;
  case 1:
    try_admit<schema::PlaneStatus>(bytes);
    break;
  case 2:
    try_admit<schema::PlaneStandby>(bytes);
    break;
  case 3:
    try_admit<schema::HostReport>(bytes);
    break;
  case 4:
    try_admit<schema::ForecastState>(bytes);
    break;
  default:
    try_admit<schema::Hosts>(bytes);
  }
  return 0;
}
