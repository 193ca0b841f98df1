// SPDX-License-Identifier: Apache-2.0
#include "core/volume/shape.hpp"

#include "core/base/units.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace foreshift {

namespace {

constexpr std::uint64_t size_bytes_max = 64 * tib;
constexpr std::uint32_t extent_bytes_min = 64 * kib;
constexpr std::uint32_t extent_bytes_max = 64 * mib;
constexpr std::uint32_t replicas_max = 3;
constexpr std::size_t volume_name_max = 63;
constexpr std::size_t host_name_max = 253;

bool plain_name(std::string_view name, std::string_view punctuation, std::size_t length_max) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= length_max && letter(name.front())
         && std::all_of(name.begin(), name.end(), [&](char c) {
              return letter(c) || punctuation.find(c) != std::string_view::npos;
            });
}

fault no(std::string why) {
  return {errc::invalid, std::move(why)};
}

} // namespace

bool valid_host_name(std::string_view name) {
  return plain_name(name, ".-", host_name_max);
}

result<void> check_geometry(const volume_shape& x) {
  if (!std::has_single_bit(x.extent_bytes) || x.extent_bytes < extent_bytes_min
      || x.extent_bytes > extent_bytes_max)
    return no("extent size must be a power of two from 64 KiB to 64 MiB, not "
              + std::to_string(x.extent_bytes) + " bytes");
  if (x.size_bytes == 0 || x.size_bytes % (4 * kib) != 0 || x.size_bytes > size_bytes_max)
    return no("volume size must be a multiple of 4 KiB, at most 64 TiB, not "
              + std::to_string(x.size_bytes) + " bytes");
  if (x.partition_bytes == 0 || x.partition_bytes % x.extent_bytes != 0
      || x.partition_bytes > size_bytes_max)
    return no("partition size must be a multiple of the extent size, not "
              + std::to_string(x.partition_bytes) + " bytes");
  if (x.homes.empty())
    return no("a volume needs at least one home host");
  for (const auto& host : x.homes)
    if (!valid_host_name(host))
      return no("'" + host + "' is not a host name ([a-z0-9][a-z0-9.-]*)");
  auto sorted = x.homes;
  std::sort(sorted.begin(), sorted.end());
  auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    return no("home host '" + *twice + "' is named twice");
  if (x.replicas < 1 || x.replicas > replicas_max || x.replicas > x.homes.size())
    return no(std::to_string(x.replicas) + " replicas are not possible on "
              + std::to_string(x.homes.size()) + " home hosts (1 to 3, one a host)");
  return {};
}

volume_shape decode_shape(schema::VolumeSpec::Reader spec) {
  volume_shape out;
  out.id = spec.getId();
  out.name = spec.getName().cStr();
  out.size_bytes = spec.getSizeBytes();
  out.extent_bytes = spec.getExtentBytes();
  out.partition_bytes = spec.getPartitionBytes();
  out.replicas = spec.getReplicas();
  for (auto host : spec.getHomes())
    out.homes.emplace_back(host.cStr());
  return out;
}

void encode_shape(const volume_shape& shape, schema::VolumeSpec::Builder out) {
  out.setId(shape.id);
  out.setName(shape.name.c_str());
  out.setSizeBytes(shape.size_bytes);
  out.setExtentBytes(shape.extent_bytes);
  out.setPartitionBytes(shape.partition_bytes);
  out.setReplicas(static_cast<std::uint8_t>(shape.replicas));
  auto homes = out.initHomes(static_cast<unsigned>(shape.homes.size()));
  for (unsigned i = 0; i < shape.homes.size(); ++i)
    homes.set(i, shape.homes[i].c_str());
}

result<void> check_shape(const volume_shape& shape) {
  if (!plain_name(shape.name, "._-", volume_name_max))
    return no("'" + shape.name + "' is not a volume name ([a-z0-9][a-z0-9._-]{0,62})");
  if (auto ok = check_geometry(shape); !ok)
    return ok;
  if (shape.size_bytes < shape.extent_bytes)
    return no("a volume of " + format_bytes(shape.size_bytes) + " is smaller than one extent of "
              + format_bytes(shape.extent_bytes));
  return {};
}

host_set home_of(const volume_shape& shape, std::uint32_t extent) {
  const std::uint64_t partition = partition_of(shape, extent);
  std::vector<std::pair<std::uint64_t, std::string_view>> ranked;
  ranked.reserve(shape.homes.size());
  std::string key(16, '\0');
  for (int i = 0; i < 8; ++i) {
    key[static_cast<std::size_t>(i)] = static_cast<char>(shape.id >> (8 * i));
    key[static_cast<std::size_t>(8 + i)] = static_cast<char>(partition >> (8 * i));
  }
  for (const auto& host : shape.homes) {
    key.resize(16);
    key += host;
    ranked.emplace_back(XXH3_64bits(key.data(), key.size()), host);
  }
  auto keep = std::min<std::size_t>(shape.replicas, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(keep),
                    ranked.end(), [](const auto& x, const auto& y) {
                      return x.first != y.first ? x.first > y.first : x.second < y.second;
                    });
  host_set out;
  for (std::size_t i = 0; i < keep; ++i)
    out.emplace_back(ranked[i].second);
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace foreshift
