// SPDX-License-Identifier: Apache-2.0
// The catalog's way from the store's records to memory.
#include "actors/coordinator/catalog.hpp"

#include "core/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

std::uint64_t id_in(std::string_view key) {
  std::uint64_t id = 0;
  auto at = key.find('/');
  std::from_chars(key.data() + at + 1, key.data() + key.size(), id);
  return id;
}

constexpr std::string_view moves_prefix = "moves/";

/// 0: it does not decode.
std::uint64_t volume_of_move(const stored& record) {
  auto move = packet<schema::MoveRecord>::admit(as_bytes(record.value));
  return move ? move->read().getVolume() : 0;
}

/// One record of a volume into its entry. Bytes that do not decode are `malformed`.
result<void> put(volume_entry& entry, std::string_view key, const std::optional<std::string>& value,
                 std::uint64_t revision) {
  auto& facts = entry.facts;
  if (key.starts_with("policies/") && value) {
    auto x = packet<schema::VolumePolicy>::admit(as_bytes(*value));
    if (!x)
      return x.error();
    entry.policy = decode_policy(x->read());
  } else if (key.starts_with("leases/") && value) {
    auto x = packet<schema::Lease>::admit(as_bytes(*value));
    if (!x)
      return x.error();
    facts.lease = lease::decode(x->read());
    facts.lease_revision = revision;
  } else if (key.starts_with("placements/") && value) {
    auto x = packet<schema::Placement>::admit(as_bytes(*value));
    if (!x)
      return x.error();
    auto map = placement_map::decode(facts.shape(), x->read());
    if (!map)
      return map.error();
    facts.placement = *std::move(map);
    facts.placement_revision = revision;
  } else if (key.starts_with(moves_prefix) && value) {
    auto x = packet<schema::MoveRecord>::admit(as_bytes(*value));
    if (!x)
      return x.error();
    auto move = lease::decode(x->read());
    facts.moves[move.id] = {move, revision};
  } else if (key.starts_with(moves_prefix)) {
    facts.moves.erase(id_in(key));
  }
  return {};
}

} // namespace

void catalog_state::recover() {
  self_->request(authority_, 60s, range_request{""})
      .await([this](const stored_ptr& all) { load(*all); },
             [this](const caf::error& why) {
               slog::error("the catalog cannot be read: {}", to_fault(why).detail);
               self_->quit(why);
             });
}

void catalog_state::load(const std::vector<stored>& records) {
  std::map<std::uint64_t, std::shared_ptr<volume_entry>> found;
  for (auto& record : records) {
    if (record.key == "ids/volume")
      std::from_chars(record.value.data(), record.value.data() + record.value.size(), last_volume_);
    if (!record.key.starts_with("volumes/"))
      continue;
    auto spec = packet<schema::VolumeSpec>::admit(as_bytes(record.value));
    if (!spec) {
      slog::error("record {} does not decode: {}", record.key, spec.error().detail);
      continue;
    }
    auto shape = decode_shape(spec->read());
    auto entry = std::make_shared<volume_entry>(lease::volume_facts{placement_map{shape}});
    entry->created_ms = spec->read().getCreatedMs();
    found[shape.id] = entry;
    names_[shape.name] = shape.id;
  }
  for (auto& record : records) {
    auto id = id_in(record.key);
    if (record.key.starts_with(moves_prefix))
      id = volume_of_move(record);
    auto at = found.find(id);
    if (at == found.end())
      continue;
    if (auto ok = put(*at->second, record.key, record.value, record.revision); !ok)
      slog::error("record {} does not decode: {}", record.key, ok.error().detail);
  }
  for (auto& [id, entry] : found) {
    volumes_[id] = entry;
    last_volume_ = std::max(last_volume_, id);
  }
}

void catalog_state::apply(std::uint64_t volume, const txn_request& x, std::uint64_t revision) {
  auto at = volumes_.find(volume);
  if (at == volumes_.end())
    return;
  auto next = std::make_shared<volume_entry>(*at->second);
  for (auto& op : x.ops)
    if (auto ok = put(*next, op.key, op.value, revision); !ok)
      slog::error("record {} does not decode: {}", op.key, ok.error().detail);
  at->second = next;
  publish(next);
}

/// Brings a volume's facts up to date with the store after a transaction that failed, or whose
/// outcome nobody knows. The authority answers in order, so each record read is as new as what has
/// been applied before its answer.
void catalog_state::reread(std::uint64_t volume, std::function<void()> then) {
  const std::string prefixes[] = {lease::lease_key(volume), lease::placement_key(volume),
                                  std::string{moves_prefix}};
  auto left = std::make_shared<std::size_t>(std::size(prefixes));
  auto one_less = [left, then = std::move(then)] {
    if (--*left == 0)
      then();
  };
  for (auto& prefix : prefixes)
    self_->request(authority_, 30s, range_request{prefix})
        .then(
            [this, volume, prefix, one_less](const stored_ptr& all) {
              refresh(volume, prefix, *all);
              one_less();
            },
            [volume, one_less](const caf::error& why) {
              slog::error("records of volume {} are not read again: {}", volume,
                          to_fault(why).detail);
              one_less();
            });
}

void catalog_state::refresh(std::uint64_t volume, const std::string& prefix,
                            const std::vector<stored>& records) {
  auto at = volumes_.find(volume);
  if (at == volumes_.end())
    return;
  auto next = std::make_shared<volume_entry>(*at->second);
  bool moves = prefix == moves_prefix;
  if (moves)
    next->facts.moves.clear();
  for (auto& record : records) {
    if ((moves ? volume_of_move(record) : id_in(record.key)) != volume)
      continue;
    if (auto ok = put(*next, record.key, record.value, record.revision); !ok)
      slog::error("record {} does not decode: {}", record.key, ok.error().detail);
  }
  at->second = next;
  publish(next);
}

} // namespace foreshift::control
