// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/catalog.hpp"

#include "core/base/log.hpp"
#include "core/base/units.hpp"
#include "core/lease/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto store_timeout = 30s;
constexpr auto tell_timeout = 3s;
constexpr const char* id_key = "ids/volume";

std::string name_key(std::string_view name) {
  return fmt::format("names/{}", name);
}

txn_ptr make_txn(std::vector<compare> compares, std::vector<store_op> ops) {
  return std::make_shared<const txn_request>(txn_request{std::move(compares), std::move(ops)});
}

packet<schema::VolumeSpec> spec_of(const volume_shape& shape, std::int64_t created_ms) {
  return packet<schema::VolumeSpec>::make([&](auto out) {
    encode_shape(shape, out);
    out.setCreatedMs(created_ms);
  });
}

packet<schema::VolumePolicy> record_of(const volume_policy& x) {
  return packet<schema::VolumePolicy>::make([&](auto out) { encode_policy(x, out); });
}

} // namespace

catalog_state::catalog_state(interface::pointer self, authority_actor authority,
                             membership_actor membership, events_actor events,
                             const clock_source& clock)
    : self_(self), authority_(std::move(authority)), membership_(std::move(membership)),
      events_(std::move(events)), clock_(clock) {}

catalog_actor::behavior_type catalog_state::make_behavior() {
  recover();
  self_->send(membership_, subscribe{watcher_actor{catalog_actor{self_}}});
  return {
      [this](const packet<schema::VolumeCreate>& x) { return create(x); },
      [this](const packet<schema::VolumeSet>& x) { return set(x); },
      [this](const packet<schema::VolumeDelete>& x) { return erase(x.read().getName().cStr()); },
      [this](const facts_request& x) { return facts(x.volume); },
      [this](const commit_request& x) { return commit(x); },
      [this](const subscribe& x) {
        watchers_.push_back(x.who);
        for (auto& [id, volume] : volumes_)
          self_->send(x.who, volume_changed{volume});
      },
      [this](const host_changed& x) { follow(hosts_, x); },
      [](const volume_changed&) {},
  };
}

template <class Then>
void catalog_state::tell_all(const std::set<std::string>& to, const door::envelope& request,
                             Then then) {
  auto left = std::make_shared<std::size_t>(to.size());
  if (to.empty())
    return then();
  auto one_less = [left, then]() mutable {
    if (--*left == 0)
      then();
  };
  for (auto& host : to)
    self_->request(membership_, tell_timeout + 1s, relay{host, sealed{request}, tell_timeout})
        .then([one_less](const sealed&) mutable { one_less(); },
              [one_less, host](const caf::error& why) mutable {
                slog::warn("host {} was not told: {}", host, to_fault(why).detail);
                one_less();
              });
}

result<volume_shape> catalog_state::shape_of(schema::VolumeCreate::Reader x) const {
  volume_shape shape;
  shape.name = x.getName().cStr();
  shape.size_bytes = x.getSizeBytes();
  shape.extent_bytes = x.getExtentBytes();
  shape.partition_bytes = x.getPartitionBytes();
  shape.replicas = x.getReplicas();
  for (auto home : x.getHomes())
    shape.homes.push_back(home.cStr());
  if (shape.homes.empty())
    for (auto& [host, entry] : hosts_)
      if (!entry->draining)
        shape.homes.push_back(host);
  if (shape.homes.empty())
    return fault{errc::precondition, "no host has joined this cell yet"};
  for (auto& home : shape.homes)
    if (!hosts_.contains(home))
      return fault{errc::not_found, fmt::format("no host named '{}'", home)};
  if (auto ok = check_shape(shape); !ok)
    return ok.error();
  return shape;
}

caf::result<packet<schema::VolumeInfo>>
catalog_state::create(const packet<schema::VolumeCreate>& x) {
  auto checked = shape_of(x.read());
  if (!checked)
    return to_caf(checked.error());
  auto shape = *std::move(checked);
  if (names_.contains(shape.name))
    return to_caf(fault{errc::exists, fmt::format("a volume named '{}' exists", shape.name)});
  shape.id = ++last_volume_;
  names_[shape.name] = shape.id;
  auto created_ms = clock_.wall_ms();
  auto entry = std::make_shared<volume_entry>(lease::volume_facts{placement_map{shape}});
  entry->created_ms = created_ms;
  entry->policy = decode_policy(x.read().getPolicy());
  entry->facts.lease.volume = shape.id;
  std::vector<store_op> ops;
  ops.push_back({name_key(shape.name), std::to_string(shape.id)});
  ops.push_back({id_key, std::to_string(last_volume_)});
  ops.push_back({lease::volume_key(shape.id), lease::to_value(spec_of(shape, created_ms))});
  ops.push_back({lease::lease_key(shape.id), lease::to_value(entry->facts.lease)});
  ops.push_back({lease::placement_key(shape.id), lease::to_value(entry->facts.placement.encode())});
  ops.push_back({lease::policy_key(shape.id), lease::to_value(record_of(entry->policy))});
  std::vector<compare> compares;
  compares.push_back({name_key(shape.name), 0});
  auto reply = self_->make_response_promise<packet<schema::VolumeInfo>>();
  self_->request(authority_, store_timeout, make_txn(std::move(compares), std::move(ops)))
      .then(
          [this, reply, entry](std::uint64_t revision) mutable {
            entry->facts.lease_revision = entry->facts.placement_revision = revision;
            volumes_[entry->id()] = entry;
            publish(entry);
            note("info", entry->name(),
                 fmt::format("created: {}", format_bytes(entry->facts.shape().size_bytes)));
            auto& homes = entry->facts.shape().homes;
            tell_all({homes.begin(), homes.end()},
                     lease::configure(with_peers(*entry), entry->created_ms),
                     [this, reply, entry]() mutable {
                       reply.deliver(packet<schema::VolumeInfo>::make(
                           [&](auto out) { encode_volume(*entry, hosts_, {}, out); }));
                     });
          },
          [this, reply, taken = shape.name](const caf::error& why) mutable {
            names_.erase(taken);
            reply.deliver(why);
          });
  return reply;
}

caf::result<packet<schema::VolumeInfo>> catalog_state::set(const packet<schema::VolumeSet>& x) {
  std::string volume = x.read().getName().cStr();
  auto known = names_.find(volume);
  auto at = known == names_.end() ? volumes_.end() : volumes_.find(known->second);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume named '{}'", volume)});
  auto next = at->second->policy;
  std::string key = x.read().getKey().cStr();
  std::string value = x.read().getValue().cStr();
  if (auto ok = set_policy(next, key, value); !ok)
    return to_caf(ok.error());
  auto id = at->second->id();
  std::vector<store_op> ops;
  ops.push_back({lease::policy_key(id), lease::to_value(record_of(next))});
  auto txn = make_txn({}, std::move(ops));
  auto reply = self_->make_response_promise<packet<schema::VolumeInfo>>();
  self_->request(authority_, store_timeout, txn)
      .then(
          [this, reply, id, txn, volume, key, value](std::uint64_t revision) mutable {
            apply(id, *txn, revision);
            note("info", volume, fmt::format("{} is now {}", key, value));
            auto now = volumes_.find(id);
            if (now == volumes_.end())
              reply.deliver(
                  to_caf(fault{errc::not_found, fmt::format("no volume named '{}'", volume)}));
            else
              reply.deliver(packet<schema::VolumeInfo>::make(
                  [&](auto out) { encode_volume(*now->second, hosts_, {}, out); }));
          },
          [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

caf::result<ack> catalog_state::erase(const std::string& volume) {
  auto known = names_.find(volume);
  auto at = known == names_.end() ? volumes_.end() : volumes_.find(known->second);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume named '{}'", volume)});
  auto entry = at->second;
  auto& lease = entry->facts.lease;
  if (!lease.holder.empty())
    return to_caf(fault{errc::precondition,
                        fmt::format("volume '{}' is attached at host '{}'; detach it first", volume,
                                    lease.holder)});
  if (lease.prepared.id != 0 || !entry->facts.moves.empty())
    return to_caf(fault{errc::busy, fmt::format("volume '{}' is being moved", volume)});
  auto id = entry->id();
  std::vector<compare> compares;
  compares.push_back({lease::lease_key(id), entry->facts.lease_revision});
  compares.push_back({lease::placement_key(id), entry->facts.placement_revision});
  std::vector<store_op> ops;
  for (auto& key : {name_key(volume), lease::volume_key(id), lease::lease_key(id),
                    lease::placement_key(id), lease::policy_key(id)})
    ops.push_back({key, std::nullopt});
  ops.push_back({fmt::format("{}{:016}", gone_key_prefix, id), ""});
  auto reply = self_->make_response_promise<ack>();
  self_->request(authority_, store_timeout, make_txn(std::move(compares), std::move(ops)))
      .then(
          [this, reply, entry](std::uint64_t) mutable {
            auto gone = std::make_shared<volume_entry>(*entry);
            gone->erased = true;
            volumes_.erase(gone->id());
            names_.erase(gone->name());
            publish(gone);
            note("info", gone->name(), "deleted");
            std::set<std::string> to;
            for (auto& [host, known_host] : hosts_)
              to.insert(host);
            tell_all(to, lease::forget(gone->id()), [reply]() mutable { reply.deliver(ack{}); });
          },
          [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

lease::volume_facts catalog_state::with_peers(const volume_entry& x) const {
  auto now = x.facts;
  for (auto& [host, entry] : hosts_)
    now.peers.push_back(entry->address);
  return now;
}

caf::result<facts_ptr> catalog_state::facts(std::uint64_t volume) const {
  auto at = volumes_.find(volume);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", volume)});
  return std::make_shared<const lease::volume_facts>(with_peers(*at->second));
}

caf::result<std::uint64_t> catalog_state::commit(const commit_request& x) {
  if (!volumes_.contains(x.volume))
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", x.volume)});
  auto reply = self_->make_response_promise<std::uint64_t>();
  self_->request(authority_, store_timeout, x.txn)
      .then(
          [this, reply, x](std::uint64_t revision) mutable {
            apply(x.volume, *x.txn, revision);
            reply.deliver(revision);
          },
          [this, reply, volume = x.volume](const caf::error& why) mutable {
            // Whoever asked looks next at what has become of it: memory may be behind the store.
            reread(volume, [reply, why]() mutable { reply.deliver(why); });
          });
  return reply;
}

void catalog_state::publish(const volume_ptr& x) {
  for (auto& who : watchers_)
    self_->send(who, volume_changed{x});
}

void catalog_state::note(std::string level, const std::string& volume, std::string text) {
  self_->send(events_, event_note{std::move(level), "volume " + volume, std::move(text)});
}

} // namespace foreshift::control
