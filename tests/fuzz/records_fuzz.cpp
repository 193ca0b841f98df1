// SPDX-License-Identifier: Apache-2.0
// The first byte picks a codec of what lies in RocksDB or in the store, the rest is the value. What
// decodes is encoded and decoded again to the same; everything else is refused.
#include "core/extent/record_codec.hpp"
#include "core/lease/records.hpp"
#include "core/volume/placement.hpp"
#include "core/volume/plane_records.hpp"
#include "core/volume/roaring_codec.hpp"

using namespace foreshift;

namespace {

template <class Decode>
void round_trip(std::string_view text, Decode decode) {
  auto first = decode(text);
  if (!first)
    return;
  auto bytes = encode(*first);
  auto again = decode(bytes);
  FORESHIFT_ENSURE(bool(again));
  FORESHIFT_ENSURE(encode(*again) == bytes);
}

void try_roaring(std::span<const unsigned char> bytes) {
  constexpr std::uint32_t value_max = 1u << 24;
  auto set = decode_roaring(bytes, value_max);
  if (!set || set->isEmpty())
    return;
  FORESHIFT_ENSURE(set->maximum() <= value_max);
  auto again = decode_roaring(encode_roaring(*set), value_max);
  FORESHIFT_ENSURE(again && *again == *set);
}

volume_shape shape() {
  volume_shape out;
  out.id = 7;
  out.name = "v";
  out.size_bytes = 64u << 20;
  out.partition_bytes = 2u << 20;
  out.replicas = 2;
  out.homes = {"a", "b", "c"};
  return out;
}

void try_placement(std::span<const std::byte> bytes) {
  auto stored = packet<schema::Placement>::admit(bytes);
  if (!stored)
    return;
  auto map = placement_map::decode(shape(), stored->read());
  if (!map)
    return;
  for (std::uint32_t extent = 0; extent < map->shape().extents(); ++extent)
    FORESHIFT_ENSURE(!map->replicas(extent).empty());
  auto again = placement_map::decode(shape(), map->encode().read());
  FORESHIFT_ENSURE(again && again->encode() == map->encode());
}

void try_lease_records(std::span<const std::byte> bytes) {
  if (auto stored = packet<schema::Lease>::admit(bytes)) {
    auto record = lease::decode(stored->read());
    auto again = packet<schema::Lease>::admit(as_bytes(lease::to_value(record)));
    FORESHIFT_ENSURE(again && lease::decode(again->read()) == record);
  }
  if (auto stored = packet<schema::MoveRecord>::admit(bytes)) {
    auto record = lease::decode(stored->read());
    auto again = packet<schema::MoveRecord>::admit(as_bytes(lease::to_value(record)));
    FORESHIFT_ENSURE(again && lease::decode(again->read()) == record);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 8) {
  case 0:
    round_trip(text, decode_record);
    break;
  case 1:
    round_trip(text, decode_fence);
    break;
  case 2:
    round_trip(text, [](std::string_view x) { return decode_layout(7, x); });
    break;
  case 3:
    if (auto extent = decode_extent_key(text))
      FORESHIFT_ENSURE(extent_key(7, *extent).size() == text.size());
    break;
  case 4:
    round_trip(text, decode_lease);
    break;
  case 5:
    try_roaring({data + 1, size - 1});
    break;
  case 6:
    try_placement(as_bytes(text));
    break;
  default:
    try_lease_records(as_bytes(text));
  }
  return 0;
}
