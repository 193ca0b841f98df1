// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/ledger.hpp"

#include "core/store/request.hpp"
#include "tests/sim/counts.hpp"
#include "tests/sim/watch.hpp"

#include <algorithm>

namespace foreshift::sim {

namespace {

constexpr std::int64_t commit_ns_max = 2 * ms;

std::string shown(const placement_map& map) {
  std::string out = "map " + std::to_string(map.version());
  for (std::uint32_t extent = 0; extent < map.shape().extents(); ++extent) {
    out += ' ';
    for (const auto& host : map.replicas(extent))
      out += host;
  }
  for (const auto& [host, lost] : map.lost())
    out += " lost " + host + " since " + std::to_string(lost.since);
  return out;
}

/// I5: a placement never leaves an extent with fewer replicas than its factor, lost ones aside.
void check_placement(const ledger& machine, const stored& record) {
  for (const auto& shape : machine.volumes()) {
    if (lease::placement_key(shape.id) != record.key)
      continue;
    auto map = machine.placement(shape);
    if (!map)
      violated("I7", "the placement of volume " + shape.name + " does not decode");
    if (kernel::verbose())
      kernel::trace(shown(*map));
    auto lost = [&](std::uint32_t extent) {
      return static_cast<std::size_t>(
          std::count_if(map->lost().begin(), map->lost().end(),
                        [&](const auto& x) { return x.second.extents.contains(extent); }));
    };
    for (std::uint32_t extent = 0; extent < shape.extents(); ++extent)
      if (map->replicas(extent).size() + lost(extent) < shape.replicas)
        violated("I5", "extent " + std::to_string(extent) + " of volume " + shape.name + " has "
                           + std::to_string(map->replicas(extent).size())
                           + " replicas in map version " + std::to_string(map->version()));
  }
}

/// I1: epochs only grow, and one is given to one holder once. The volume, if it is a new holder's.
std::optional<std::uint64_t> check_lease(const stored& former, const stored& now) {
  auto old = packet<schema::Lease>::admit(as_bytes(former.value));
  auto next = packet<schema::Lease>::admit(as_bytes(now.value));
  if (!old || !next)
    violated("I7", "a lease record does not decode");
  auto x = lease::decode(old->read());
  auto y = lease::decode(next->read());
  bool reused = y.held_epoch == x.held_epoch && y.holder != x.holder && !y.holder.empty();
  bool old_epoch = y.prepared.id != 0 && !y.prepared.to.empty()
                   && (y.prepared.id != x.prepared.id || y.prepared.to != x.prepared.to)
                   && y.prepared.epoch <= x.epoch;
  bool taken = x.prepared.id != 0 && y.prepared.id != 0 && x.prepared.epoch == y.prepared.epoch
               && x.prepared.to != y.prepared.to;
  if (y.epoch < x.epoch || (!y.holder.empty() && y.held_epoch < x.held_epoch)
      || y.held_epoch > y.epoch || reused || taken || old_epoch)
    violated("I1", "the lease of volume " + std::to_string(y.volume) + " went from epoch "
                       + std::to_string(x.epoch) + " (held " + std::to_string(x.held_epoch)
                       + " by '" + x.holder + "') to " + std::to_string(y.epoch) + " (held "
                       + std::to_string(y.held_epoch) + " by '" + y.holder + "')");
  return y.holder.empty() || y.held_epoch == x.held_epoch ? std::nullopt : std::optional{y.volume};
}

class sim_store final : public store {
public:
  sim_store(ledger& machine, std::uint64_t token) : machine_(machine), token_(token) {}

  result<std::uint64_t> txn(std::span<const compare> compares,
                            std::span<const store_op> ops) override {
    if (auto ok = check_request(compares, ops); !ok)
      return ok.error();
    kernel::sleep(static_cast<std::int64_t>(kernel::random(commit_ns_max)));
    for (const auto& wanted : compares)
      if (auto now = revision_of(wanted.key); now != wanted.revision)
        return compare_failed(wanted, now);
    bool unsure = machine_.ambiguous > 0 && kernel::chance(machine_.ambiguous);
    if (unsure)
      counts::add(count::unclear_transactions);
    bool applies = !unsure || kernel::chance(0.5);
    if (applies)
      apply(ops);
    kernel::sleep(static_cast<std::int64_t>(kernel::random(commit_ns_max)));
    if (unsure)
      return fault{errc::storage, "the outcome of the transaction is unknown"};
    return machine_.revision;
  }

  result<std::vector<stored>> range(std::string_view prefix) const override {
    std::vector<stored> out;
    for (auto at = machine_.records.lower_bound(prefix);
         at != machine_.records.end() && at->first.starts_with(prefix); ++at)
      out.push_back(at->second);
    return out;
  }

  std::uint64_t token() const override { return token_; }

private:
  std::uint64_t revision_of(const std::string& key) const {
    auto at = machine_.records.find(key);
    return at == machine_.records.end() ? 0 : at->second.revision;
  }

  void apply(std::span<const store_op> ops) {
    if (!ops.empty())
      ++machine_.revision;
    std::vector<std::uint64_t> committed;
    for (const auto& op : ops) {
      if (!op.key.starts_with("events"))
        kernel::trace("store " + op.key);
      if (!op.value) {
        machine_.records.erase(op.key);
        continue;
      }
      stored next{op.key, *op.value, machine_.revision};
      if (auto at = machine_.records.find(op.key);
          at != machine_.records.end() && op.key.starts_with("leases/"))
        if (auto volume = check_lease(at->second, next))
          committed.push_back(*volume);
      machine_.records.insert_or_assign(op.key, next);
    }
    if (machine_.on_holder)
      for (auto volume : committed)
        machine_.on_holder(*machine_.lease(volume));
    for (const auto& op : ops)
      if (op.value && op.key.starts_with("placements/"))
        check_placement(machine_, machine_.records.at(op.key));
  }

  ledger& machine_;
  const std::uint64_t token_;
};

} // namespace

std::unique_ptr<store> make_sim_store(ledger& machine, std::uint64_t token) {
  return std::make_unique<sim_store>(machine, token);
}

std::vector<volume_shape> ledger::volumes() const {
  std::vector<volume_shape> out;
  for (auto at = records.lower_bound("volumes/");
       at != records.end() && at->first.starts_with("volumes/"); ++at)
    if (auto x = packet<schema::VolumeSpec>::admit(as_bytes(at->second.value)))
      out.push_back(decode_shape(x->read()));
  return out;
}

std::optional<lease::lease_record> ledger::lease(std::uint64_t volume) const {
  auto at = records.find(lease::lease_key(volume));
  if (at == records.end())
    return std::nullopt;
  auto x = packet<schema::Lease>::admit(as_bytes(at->second.value));
  return x ? std::optional{lease::decode(x->read())} : std::nullopt;
}

std::optional<placement_map> ledger::placement(const volume_shape& shape) const {
  auto at = records.find(lease::placement_key(shape.id));
  if (at == records.end())
    return std::nullopt;
  auto x = packet<schema::Placement>::admit(as_bytes(at->second.value));
  if (!x)
    return std::nullopt;
  auto map = placement_map::decode(shape, x->read());
  return map ? std::optional{*std::move(map)} : std::nullopt;
}

std::vector<lease::move_record> ledger::moves() const {
  std::vector<lease::move_record> out;
  for (auto at = records.lower_bound("moves/");
       at != records.end() && at->first.starts_with("moves/"); ++at)
    if (auto x = packet<schema::MoveRecord>::admit(as_bytes(at->second.value)))
      out.push_back(lease::decode(x->read()));
  return out;
}

} // namespace foreshift::sim
