// SPDX-License-Identifier: Apache-2.0
// The conductor's tasks of hosts: draining them, and replacing those that are gone.
#include "actors/coordinator/conductor.hpp"
#include "actors/coordinator/drainer.hpp"

#include <fmt/format.h>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto mark_timeout = 30s;

} // namespace

result<host_ptr> conductor_state::find_host(const std::string& host) const {
  auto at = hosts_.find(host);
  if (at == hosts_.end())
    return fault{errc::not_found, fmt::format("no host named '{}'", host)};
  return at->second;
}

const task* conductor_state::task_of_host(const std::string& host) {
  for (auto id : book_.running())
    if (auto* x = book_.find(id); x->volume == 0 && x->from == host)
      return x;
  return nullptr;
}

task& conductor_state::begin_host_task(schema::TaskKind kind, const std::string& host,
                                       const std::string& to) {
  task x;
  x.kind = kind;
  x.from = host;
  x.to = to;
  for (auto row : hosts_.at(host)->report.read().getPlane().getVolumes())
    x.bytes_planned += row.getBytesPresent();
  auto& opened = open_task(std::move(x));
  drive(opened);
  return opened;
}

void conductor_state::drive(const task& x) {
  drain_order order{x.id, x.from, x.to, x.kind == schema::TaskKind::REMOVE, x.bytes_planned};
  drainer_parts parts{conductor_actor{self_}, around_.membership, herald_};
  auto driver = self_->home_system().spawn<drainer>(parts, clock_, rules_, order);
  migrators_[x.id] = driver;
  self_->send(driver, tick{});
}

caf::result<packet<schema::Task>> conductor_state::drain(const packet<schema::HostDrain>& x) {
  std::string host = x.read().getName().cStr();
  std::string to = x.read().getTo().cStr();
  auto known = find_host(host);
  if (!known)
    return to_caf(known.error());
  if (!(*known)->up)
    return to_caf(
        fault{errc::precondition,
              fmt::format("host '{}' is down; 'host remove --lost' replaces a dead one", host)});
  if (to == host)
    return to_caf(fault{errc::invalid, "leases cannot be flipped to the host that is drained"});
  if (!to.empty())
    if (auto ok = check_destination(to); !ok)
      return to_caf(ok.error());
  if (auto* other = task_of_host(host))
    return to_caf(
        fault{errc::busy, fmt::format("task {} is at work on host '{}'", other->id, host)});
  return encode(begin_host_task(schema::TaskKind::DRAIN, host, to));
}

caf::result<ack> conductor_state::undrain(const packet<schema::HostUndrain>& x) {
  std::string host = x.read().getName().cStr();
  if (auto known = find_host(host); !known)
    return to_caf(known.error());
  if (auto* other = task_of_host(host))
    (void)cancel(other->id);
  auto reply = self_->make_response_promise<ack>();
  self_->request(around_.membership, mark_timeout, host_drain_mark{host, false})
      .then([reply](const ack&) mutable { reply.deliver(ack{}); },
            [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

/// What an operator has to do first.
std::optional<fault> conductor_state::why_not_removed(const std::string& host, bool lost) const {
  for (auto& [id, volume] : volumes_) {
    auto& facts = volume->facts;
    auto refuse = [&name = volume->name()](std::string why) {
      return fault{errc::precondition, fmt::format("volume '{}' {}", name, why)};
    };
    if (facts.lease.holder == host || facts.lease.prepared.to == host)
      return refuse(fmt::format("is attached at host '{}'; flip it with --force first", host));
    if (!lost && lease::uses(facts.placement, host))
      return refuse(
          fmt::format("still uses host '{}'; drain it, or say --lost if it is dead", host));
    auto only = lease::held_only_by(facts.placement, {host}).cardinality();
    if (only > 0)
      return refuse(fmt::format("has {} extents whose only copy is at host '{}'", only, host));
  }
  return std::nullopt;
}

caf::result<packet<schema::Task>> conductor_state::remove(const packet<schema::HostRemove>& x) {
  std::string host = x.read().getName().cStr();
  auto known = find_host(host);
  if (!known)
    return to_caf(known.error());
  if ((*known)->up)
    return to_caf(
        fault{errc::precondition, fmt::format("host '{}' is up; stop its agent first", host)});
  if (auto* other = task_of_host(host))
    return to_caf(
        fault{errc::busy, fmt::format("task {} is at work on host '{}'", other->id, host)});
  if (auto why = why_not_removed(host, x.read().getLost()))
    return to_caf(*why);
  return encode(begin_host_task(schema::TaskKind::REMOVE, host, ""));
}

} // namespace foreshift::control
