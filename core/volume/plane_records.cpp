// SPDX-License-Identifier: Apache-2.0
#include "core/volume/plane_records.hpp"

#include <array>
#include <charconv>
#include <cstdio>

namespace foreshift {

namespace {

using schema::LeaseState;

constexpr std::array<std::string_view, 5> state_names{"none", "standby", "primary", "draining",
                                                      "deactivated"};

std::string number(std::uint64_t x) {
  std::array<char, 24> out{};
  std::snprintf(out.data(), out.size(), "%020llu", static_cast<unsigned long long>(x));
  return out.data();
}

std::string spec_key(std::uint64_t volume) {
  return "plane/spec/" + number(volume);
}
std::string lease_key(std::uint64_t volume) {
  return "plane/lease/" + number(volume);
}
std::string map_prefix(std::uint64_t volume) {
  return "plane/map/" + number(volume) + "/";
}
std::string mirror_prefix(std::uint64_t volume) {
  return "plane/mirror/" + number(volume) + "/";
}

} // namespace

result<std::shared_ptr<std::atomic<std::uint64_t>>> session_numbers(extent_store& store) {
  constexpr unsigned of_one_process = 32; // bits
  constexpr std::string_view key = "plane/starts";
  auto rows = store.list(key);
  if (!rows)
    return rows.error();
  std::uint64_t starts = 0;
  if (!rows->empty()) {
    const auto& text = rows->front().second;
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), starts);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
      return fault{errc::corrupt, "record 'plane/starts' is not a number"};
  }
  ++starts;
  if (auto put = store.put(key, std::to_string(starts), true); !put)
    return put.error();
  return std::make_shared<std::atomic<std::uint64_t>>(starts << of_one_process);
}

std::string encode(const lease_record& x) {
  return std::string{state_names[static_cast<std::size_t>(x.state)]} + " "
         + std::to_string(x.epoch);
}

std::optional<lease_record> decode_lease(std::string_view text) {
  auto space = text.find(' ');
  if (space == std::string_view::npos)
    return std::nullopt;
  auto digits = text.substr(space + 1);
  lease_record out;
  auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out.epoch);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size())
    return std::nullopt;
  for (std::size_t i = 0; i < state_names.size(); ++i)
    if (state_names[i] == text.substr(0, space)) {
      out.state = static_cast<LeaseState>(i);
      return out;
    }
  return std::nullopt;
}

template <class Schema>
result<std::vector<packet<Schema>>> plane_records::all(const std::string& prefix) const {
  auto rows = store_.list(prefix);
  if (!rows)
    return rows.error();
  std::vector<packet<Schema>> out;
  for (const auto& [key, value] : *rows) {
    auto one = packet<Schema>::admit(as_bytes(value));
    if (!one)
      return fault{errc::corrupt, "record '" + key + "': " + one.error().detail};
    out.push_back(*std::move(one));
  }
  return out;
}

result<void> plane_records::put_spec(const packet<schema::VolumeSpec>& spec) {
  return store_.put(spec_key(spec.read().getId()), as_text(spec.bytes()), true);
}

result<std::vector<packet<schema::VolumeSpec>>> plane_records::specs() const {
  return all<schema::VolumeSpec>("plane/spec/");
}

result<void> plane_records::put_peer(const packet<schema::HostAddress>& peer) {
  // Not synced: the next synced record carries it along, and a lost one only costs a later update.
  return store_.put("plane/peer/" + std::string{peer.read().getName().cStr()},
                    as_text(peer.bytes()), false);
}

result<std::vector<packet<schema::HostAddress>>> plane_records::peers() const {
  return all<schema::HostAddress>("plane/peer/");
}

result<void> plane_records::put_boot(const std::string& boot) {
  return store_.put("plane/boot", boot, true);
}

result<std::string> plane_records::boot() const {
  auto rows = store_.list("plane/boot");
  if (!rows)
    return rows.error();
  return rows->empty() ? std::string{} : rows->front().second;
}

result<void> plane_records::put_lease(std::uint64_t volume, const lease_record& lease, bool sync) {
  return store_.put(lease_key(volume), encode(lease), sync);
}

result<lease_record> plane_records::lease(std::uint64_t volume) const {
  auto rows = store_.list(lease_key(volume));
  if (!rows)
    return rows.error();
  if (rows->empty())
    return lease_record{};
  auto decoded = decode_lease(rows->front().second);
  if (!decoded)
    return fault{errc::corrupt, "record '" + lease_key(volume) + "' is not a lease"};
  return *decoded;
}

result<void> plane_records::put_map(std::uint64_t volume, std::uint64_t epoch,
                                    const packet<schema::Placement>& map) {
  return store_.put(map_prefix(volume) + number(epoch), as_text(map.bytes()), true);
}

result<std::optional<packet<schema::Placement>>> plane_records::map(std::uint64_t volume,
                                                                    std::uint64_t epoch) const {
  auto rows = all<schema::Placement>(map_prefix(volume) + number(epoch));
  if (!rows)
    return rows.error();
  if (rows->empty())
    return std::optional<packet<schema::Placement>>{};
  return std::optional{rows->front()};
}

result<void> plane_records::put_mirror(const packet<schema::PlaneMirror>& mirror) {
  auto in = mirror.read();
  return store_.put(mirror_prefix(in.getVolume()) + number(in.getMove()), as_text(mirror.bytes()),
                    true);
}

result<void> plane_records::erase_mirror(std::uint64_t volume, std::uint64_t move) {
  return store_.erase(mirror_prefix(volume) + number(move));
}

result<std::vector<packet<schema::PlaneMirror>>>
plane_records::mirrors(std::uint64_t volume) const {
  return all<schema::PlaneMirror>(mirror_prefix(volume));
}

result<void> plane_records::prune(std::uint64_t volume, std::uint64_t epoch) {
  auto maps = store_.list(map_prefix(volume));
  if (!maps)
    return maps.error();
  for (const auto& [key, value] : *maps)
    if (key < map_prefix(volume) + number(epoch))
      if (auto done = store_.erase(key); !done)
        return done;
  auto old = mirrors(volume);
  if (!old)
    return old.error();
  for (const auto& mirror : *old)
    if (mirror.read().getEpoch() < epoch)
      if (auto done = erase_mirror(volume, mirror.read().getMove()); !done)
        return done;
  return {};
}

result<void> plane_records::forget(std::uint64_t volume) {
  // The spec goes last: as long as it is there, a restart finds the volume and can be asked again.
  for (const auto& prefix :
       {mirror_prefix(volume), map_prefix(volume), lease_key(volume), spec_key(volume)}) {
    auto rows = store_.list(prefix);
    if (!rows)
      return rows.error();
    for (const auto& [key, value] : *rows)
      if (auto done = store_.erase(key); !done)
        return done;
  }
  return {};
}

} // namespace foreshift
