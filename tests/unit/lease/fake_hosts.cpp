// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lease/fake_hosts.hpp"

#include "core/volume/roaring_codec.hpp"
#include "tests/unit/lease/fake_answers.hpp"
#include "tests/unit/lease/fake_failures.hpp"
#include "tests/unit/lease/fake_lease.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace foreshift::test {

result<door::envelope> fake_hosts::deliver(const std::string& name, const door::envelope& request) {
  auto& host = hosts_.at(name);
  if (on_request)
    on_request(name, request);
  if (!host.up)
    return fault{errc::unreachable, "host is down"};
  door::envelope reply = door::wrap(packet<schema::Done>{});
  std::optional<fault> why;
  auto on = [&]<class Schema>(auto handler) {
    if (request.type != packet<Schema>::type_id)
      return;
    auto x = packet<Schema>::admit(request.payload);
    REQUIRE(bool(x));
    why = handler(x->read());
  };
  on.operator()<schema::PlaneConfigure>([&](auto x) {
    host.forgotten = false;
    if (on_configure)
      on_configure(name, x);
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneForget>([&](auto) { return forget_all(host); });
  on.operator()<schema::PlanePrepare>([&](auto x) { return prepare(host, x); });
  on.operator()<schema::PlaneStandby>([&](auto x) { return stand_by(name, host, x); });
  on.operator()<schema::PlaneTakeover>([&](auto x) { return take_over(name, host, x, reply); });
  on.operator()<schema::PlanePromote>(
      [&](auto x) { return fence(host, x.getEpoch(), x.getHolder().cStr()); });
  on.operator()<schema::PlaneDrain>([&](auto x) { return drain(host, x.getEpoch()); });
  on.operator()<schema::PlaneRelease>([&](auto x) { return release(host, x.getEpoch()); });
  on.operator()<schema::PlaneStatusGet>([&](auto) {
    reply = told_status(name, host, shape_);
    return std::optional<fault>{};
  });
  on.operator()<schema::HostExamine>([&](auto x) {
    reply = told_examination(host, x);
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneReopen>([&](auto) { return reopen_replica(hosts_, host); });
  on.operator()<schema::PlaneTrust>(
      [&](auto x) { return trust_replica(hosts_, name, host, x.getDoubt()); });
  on.operator()<schema::PlaneStage>([&](auto x) { return stage(name, host, x); });
  on.operator()<schema::PlaneMirror>([&](auto x) { return mirror(host, x); });
  on.operator()<schema::AgentMove>([&](auto x) { return pull(host, x, reply); });
  on.operator()<schema::PlaneVerify>([&](auto x) { return verify(host, x); });
  on.operator()<schema::PlaneDigest>([&](auto x) {
    reply = told_digests(host, x);
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneCommit>([&](auto x) { return commit(host, x); });
  on.operator()<schema::PlaneAbort>([&](auto x) {
    host.staged.erase(x.getMove());
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneAdopt>([&](auto x) { return adopt(host, x); });
  on.operator()<schema::PlaneRetire>([&](auto x) { return retire(name, host, x); });
  on.operator()<schema::PlaneWatch>([&](auto x) {
    host.notes[x.getSince()];
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneUnwatch>([&](auto x) {
    host.notes.erase(x.getSince());
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneInventoryGet>([&](auto) {
    reply = told_inventory(host);
    return std::optional<fault>{};
  });
  on.operator()<schema::PlaneChangedGet>([&](auto x) {
    reply = told_changed(host, x);
    return std::optional<fault>{};
  });
  if (why)
    return *why;
  return reply;
}

bool fake_hosts::write(std::uint32_t extent, int value) {
  auto primary = std::find_if(hosts_.begin(), hosts_.end(), [](auto& x) {
    return x.second.state == schema::LeaseState::PRIMARY && x.second.up;
  });
  if (primary == hosts_.end())
    return false;
  auto& gateway = primary->second;
  bool everywhere = true;
  auto put = [&](const std::string& to) {
    auto& host = hosts_.at(to);
    bool taken =
        host.up && host.doubt == 0 && (host.fence_epoch == gateway.epoch || host.fence_epoch == 0);
    if (taken) {
      host.data[extent] = value;
      for (auto& [since, noted] : host.notes)
        noted.insert(extent);
    }
    everywhere = everywhere && taken;
  };
  for (auto& to : gateway.map->replicas(extent))
    put(to);
  for (auto& [move, mirror] : gateway.mirrored)
    if (mirror.extents.contains(extent) && !gateway.map->holds(mirror.to, extent))
      put(mirror.to);
  if (everywhere)
    acknowledged[extent] = value;
  return everywhere;
}

void fake_hosts::check_data(const placement_map& map) {
  for (auto& [at, value] : acknowledged) {
    auto extent = at; // clang 14 captures no structured binding
    CAPTURE(extent);
    for (auto& name : map.replicas(extent)) {
      CAPTURE(name);
      if (hosts_.at(name).doubt == 0) // else it answers nothing
        CHECK(hosts_.at(name).data[extent] >= value);
    }
  }
}

void fake_hosts::power_cycle(const std::string& name, std::map<std::uint32_t, int> older) {
  kill(name);
  auto& host = hosts_.at(name);
  host.up = true;
  host.data = std::move(older);
  host.state = schema::LeaseState::NONE;
  host.doubt = ++doubts_;
}

void fake_hosts::kill(const std::string& name) {
  auto& host = hosts_.at(name);
  host.up = false;
  for (auto& [move, extents] : host.staged)
    host.broken.insert(move);
}

fake_hosts::verdict fake_hosts::prepare(fake_host& host, schema::PlanePrepare::Reader x) {
  if (x.getEpoch() < host.prepared_epoch || x.getEpoch() <= host.fence_epoch)
    return refuse("an old epoch");
  host.prepared_epoch = x.getEpoch();
  host.prepared_holder = x.getHolder().cStr();
  return {};
}

fake_hosts::verdict fake_hosts::stand_by(const std::string& name, fake_host& host,
                                         schema::PlaneStandby::Reader x) {
  if (x.getEpoch() <= host.epoch && host.state == schema::LeaseState::PRIMARY)
    return refuse("an old epoch");
  auto map = placement_map::decode(shape_, x.getPlacement());
  REQUIRE(bool(map));
  for (auto peer : map->hosts_to_seal())
    if (!hosts_.at(peer).up)
      return fault{errc::unreachable, name + " cannot reach " + peer};
  host.map = *map;
  host.state = schema::LeaseState::STANDBY;
  host.epoch = x.getEpoch();
  return {};
}

fake_hosts::verdict fake_hosts::take_over(const std::string& name, fake_host& host,
                                          schema::PlaneTakeover::Reader x, door::envelope& reply) {
  bool again = host.state == schema::LeaseState::PRIMARY && host.epoch == x.getEpoch();
  if (!again) {
    if (host.state != schema::LeaseState::STANDBY || host.epoch != x.getEpoch())
      return refuse("not standing by at that epoch");
    std::string source = x.getSource().cStr();
    if (!source.empty()) {
      auto& from = hosts_.at(source);
      if (x.getQuietMs() > 0 && from.up && from.busy_answers > 0) {
        --from.busy_answers;
        return fault{errc::busy, "its clients still send requests"};
      }
      auto drained = from.up ? drain(from, x.getSourceEpoch())
                             : verdict{fault{errc::unreachable, "source is down"}};
      if (drained && !x.getForced())
        return drained;
    }
    for (auto peer : x.getSeal()) {
      if (promotions_left && (*promotions_left)-- == 0) {
        promotions_left.reset();
        return fault{errc::failed, "a promotion failed half-way"};
      }
      auto& target = hosts_.at(peer.cStr());
      if (!target.up)
        return fault{errc::unreachable, "a partition host is down"};
      if (auto why = fence(target, x.getEpoch(), name))
        return why;
    }
    become_primary(name, host, x.getEpoch());
  }
  reply = door::wrap(packet<schema::FlipTimes>::make([](auto out) { out.setTotalUs(700); }));
  return {};
}

void fake_hosts::become_primary(const std::string& name, fake_host& host, std::uint64_t epoch) {
  auto [at, fresh] = owners_.emplace(epoch, name);
  CHECK((fresh || at->second == name));
  CHECK(epoch > highest_);
  highest_ = epoch;
  for (auto& [other_name, other] : hosts_)
    if (other_name != name && other.state == schema::LeaseState::PRIMARY)
      for (auto& peer : host.map->hosts_to_seal())
        CHECK(hosts_.at(peer).fence_epoch > other.epoch);
  host.state = schema::LeaseState::PRIMARY;
}

fake_hosts::verdict fake_hosts::only_primary(fake_host& host, std::uint64_t epoch) {
  bool is = host.state == schema::LeaseState::PRIMARY && host.epoch == epoch;
  return is ? verdict{} : refuse("not primary at that epoch");
}

fake_hosts::verdict fake_hosts::mirror(fake_host& host, schema::PlaneMirror::Reader x) {
  if (auto why = only_primary(host, x.getEpoch()))
    return why;
  if (!x.getOn()) {
    host.mirrored.erase(x.getMove());
    return {};
  }
  auto& to = hosts_.at(x.getDestination().cStr());
  if (!to.up)
    return fault{errc::unreachable, "the mirror is down"};
  to.fence_epoch = host.epoch;
  to.fence_holder = host.fence_holder;
  auto extents = x.getExtents();
  host.mirrored[x.getMove()] = {x.getDestination().cStr(), {extents.begin(), extents.end()}};
  return {};
}

fake_hosts::verdict fake_hosts::stage(const std::string& name, fake_host& host,
                                      schema::PlaneStage::Reader x) {
  auto extents = x.getExtents();
  if (!host.failed.empty() || host.doubt != 0)
    return fault{errc::storage, name + " has failed"};
  if (host.replicas.size() + extents.size() > host.extents_max)
    return fault{errc::no_space, name + " is full"};
  for (auto extent : extents) {
    for (auto& [other, peer] : hosts_)
      if (peer.state == schema::LeaseState::PRIMARY && peer.map)
        CHECK_FALSE(peer.map->holds(name, extent));
    host.replicas.erase(extent);
    if (!x.getResync())
      host.data.erase(extent);
  }
  host.staged[x.getMove()] = {extents.begin(), extents.end()};
  host.broken.erase(x.getMove());
  return {};
}

fake_hosts::verdict fake_hosts::verify(fake_host& host, schema::PlaneVerify::Reader x) {
  if (auto why = only_primary(host, x.getEpoch()))
    return why;
  auto& left = hosts_.at(x.getSource().cStr());
  auto& right = hosts_.at(x.getDestination().cStr());
  if (!left.up || !right.up)
    return fault{errc::unreachable, "one side is down"};
  for (auto extent : x.getExtents())
    if (left.data[extent] != right.data[extent])
      return fault{errc::corrupt, "both sides differ"};
  return {};
}

fake_hosts::verdict fake_hosts::pull(fake_host& host, schema::AgentMove::Reader x,
                                     door::envelope& reply) {
  if (!host.staged.contains(x.getMove()) || host.broken.contains(x.getMove()))
    return fault{errc::precondition, "not staged, or before a restart"};
  host.pulled[x.getMove()] = true;
  std::vector<std::uint32_t> pulled_now;
  for (auto extent : x.getExtents())
    pulled_now.push_back(extent);
  if (on_pull)
    on_pull(pulled_now);
  auto& source = hosts_.at(x.getSource().getName().cStr());
  if (!source.up)
    return fault{errc::unreachable, "the source is down"};
  auto bytes_changed = x.getChanged();
  auto changed = decode_roaring({bytes_changed.begin(), bytes_changed.size()}, 1000);
  REQUIRE(bool(changed));
  pulled_changed += static_cast<int>(changed->cardinality());
  for (auto extent : x.getExtents())
    if (x.getChanged().size() == 0 || changed->contains(extent)
        || host.data[extent] != source.data[extent]) // which a digest tells
      host.data[extent] = source.data[extent];
  auto bytes = std::uint64_t{x.getExtents().size()} * shape_.extent_bytes;
  reply =
      door::wrap(packet<schema::AgentMoved>::make([&](auto out) { out.setBytesCopied(bytes); }));
  return {};
}

fake_hosts::verdict fake_hosts::commit(fake_host& host, schema::PlaneCommit::Reader x) {
  auto staged = host.staged.find(x.getMove());
  if (staged != host.staged.end()) {
    if (host.broken.contains(x.getMove()))
      return fault{errc::precondition, "staged before a restart; stage it anew"};
    CHECK(host.pulled[x.getMove()]);
    host.replicas.insert(staged->second.begin(), staged->second.end());
    host.staged.erase(staged);
  }
  for (auto extent : x.getExtents())
    CHECK(host.replicas.contains(extent));
  return {};
}

fake_hosts::verdict fake_hosts::adopt(fake_host& host, schema::PlaneAdopt::Reader x) {
  if (auto why = only_primary(host, x.getEpoch()))
    return why;
  auto map = placement_map::decode(shape_, x.getPlacement());
  REQUIRE(bool(map));
  if (host.map && map->version() < host.map->version())
    return fault{errc::precondition, "a newer map is in use"};
  for (auto& [name, other] : hosts_)
    for (std::uint32_t e = 0; e < shape_.extents(); ++e)
      if (map->holds(name, e))
        CHECK(other.replicas.contains(e));
  host.map = *map;
  return {};
}

fake_hosts::verdict fake_hosts::retire(const std::string& name, fake_host& host,
                                       schema::PlaneRetire::Reader x) {
  for (auto extent : x.getExtents()) {
    for (auto& [other, peer] : hosts_)
      if (peer.state == schema::LeaseState::PRIMARY && peer.map)
        CHECK_FALSE(peer.map->holds(name, extent));
    host.replicas.erase(extent);
    host.data.erase(extent);
  }
  return {};
}

} // namespace foreshift::test
