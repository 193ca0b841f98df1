// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/herald.hpp"

#include "core/base/log.hpp"
#include "core/lease/requests.hpp"

#include <fmt/format.h>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto store_timeout = 30s;
constexpr auto tell_timeout = 3s;
constexpr std::string_view key_prefix = "intents/";

/// Hosts are told again and again, so that a data plane that restarts is told too, and none
/// remembers what was withdrawn.
constexpr auto tell_interval = 2s;
constexpr std::chrono::milliseconds expect_span = 30s;

std::string key_of(std::uint64_t volume, const std::string& host) {
  return fmt::format("{}{:016}/{}", key_prefix, volume, host);
}

void encode(std::uint64_t id, const std::string& volume, const std::string& host, const intent& x,
            schema::Intent::Builder out) {
  out.setId(id);
  out.setVolume(volume.c_str());
  out.setTo(host.c_str());
  out.setByMs(x.by_ms);
  out.setNoCopy(x.no_copy);
  out.setSinceMs(x.since_ms);
}

} // namespace

herald_state::herald_state(interface::pointer self, herald_parts around, const clock_source& clock)
    : self_(self), around_(std::move(around)), clock_(clock) {}

herald_actor::behavior_type herald_state::make_behavior() {
  recover();
  compat::send_later(self_, herald_actor{self_}, tell_interval, tick{});
  return {
      [this](const packet<schema::Announce>& x) { return announce(x); },
      [this](const packet<schema::AnnounceWithdraw>& x) { return withdraw(x); },
      [this](const packet<schema::AnnounceList>& x) { return list(x.read().getVolume().cStr()); },
      [this](const packet<schema::LeaseWanted>& x) { return wanted(x); },
      [this](const packet<schema::GuestExpected>& x) { return expect_guest(x); },
      [this](const volume_changed& x) { changed(x.now); },
      [this](const host_changed& x) {
        if (x.now->dropped)
          hosts_.erase(x.now->address.name);
        else
          hosts_[x.now->address.name] = x.now;
      },
      [this](tick) {
        for (auto& [which, how] : intents_)
          expect(which);
        compat::send_later(self_, herald_actor{self_}, tell_interval, tick{});
      },
  };
}

void herald_state::recover() {
  self_->request(around_.authority, store_timeout, range_request{std::string{key_prefix}})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all)
              if (auto x = packet<schema::Intent>::admit(as_bytes(record.value))) {
                auto in = x->read();
                intents_[{in.getId(), in.getTo().cStr()}] = {in.getByMs(), in.getSinceMs(),
                                                             in.getNoCopy()};
              }
            publish();
          },
          [this](const caf::error& why) { self_->quit(why); });
}

result<volume_ptr> herald_state::find(const std::string& volume) const {
  auto at = names_.find(volume);
  if (at == names_.end())
    return fault{errc::not_found, fmt::format("no volume named '{}'", volume)};
  return volumes_.at(at->second);
}

caf::result<packet<schema::Intents>> herald_state::announce(const packet<schema::Announce>& x) {
  auto in = x.read();
  std::string to = in.getTo().cStr();
  auto volume = find(in.getVolume().cStr());
  if (!volume)
    return to_caf(volume.error());
  auto host = hosts_.find(to);
  if (host == hosts_.end())
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", to)});
  if (host->second->draining)
    return to_caf(fault{errc::precondition, fmt::format("host '{}' is being drained", to)});
  if ((*volume)->facts.lease.holder == to)
    return to_caf(fault{errc::precondition, fmt::format("volume '{}' is already attached at host "
                                                        "'{}'",
                                                        (*volume)->name(), to)});
  place which{(*volume)->id(), to};
  intents_[which] = {in.getByMs(), clock_.wall_ms(), in.getNoCopy()};
  note((*volume)->name(), fmt::format("is announced to move to host {}", to));
  auto reply = self_->make_response_promise<packet<schema::Intents>>();
  store(which, reply);
  return reply;
}

caf::result<packet<schema::Intents>>
herald_state::withdraw(const packet<schema::AnnounceWithdraw>& x) {
  auto volume = find(x.read().getVolume().cStr());
  if (!volume)
    return to_caf(volume.error());
  place which{(*volume)->id(), x.read().getTo().cStr()};
  if (intents_.erase(which) == 0)
    return to_caf(fault{errc::not_found, fmt::format("volume '{}' is not announced to host '{}'",
                                                     (*volume)->name(), which.second)});
  note((*volume)->name(), fmt::format("is no longer announced to move to host {}", which.second));
  auto reply = self_->make_response_promise<packet<schema::Intents>>();
  store(which, reply);
  return reply;
}

caf::result<packet<schema::Intents>> herald_state::list(const std::string& volume) const {
  if (volume.empty())
    return listed(std::nullopt);
  auto one = find(volume);
  if (!one)
    return to_caf(one.error());
  return listed((*one)->id());
}

packet<schema::Intents> herald_state::listed(std::optional<std::uint64_t> volume) const {
  std::vector<std::pair<place, intent>> chosen;
  for (auto& one : intents_)
    if ((!volume || one.first.first == *volume) && volumes_.contains(one.first.first))
      chosen.emplace_back(one);
  return packet<schema::Intents>::make([&](auto out) {
    auto rows = out.initIntents(static_cast<unsigned>(chosen.size()));
    for (unsigned i = 0; i < chosen.size(); ++i) {
      auto& [which, how] = chosen[i];
      encode(which.first, volumes_.at(which.first)->name(), which.second, how, rows[i]);
    }
  });
}

/// A tool on the host says that a VM is about to arrive: its volumes are announced, unless they
/// are already, without copying for it. Answered when the host's data plane lets the VM connect.
caf::result<ack> herald_state::expect_guest(const packet<schema::GuestExpected>& x) {
  std::string host = x.read().getHost().cStr();
  std::vector<place> fresh;
  for (auto asked : x.read().getVolumes()) {
    auto at = names_.find(asked.cStr());
    if (at == names_.end())
      return to_caf(fault{errc::not_found, fmt::format("no volume named '{}'", asked.cStr())});
    auto& volume = volumes_.at(at->second);
    place which{volume->id(), host};
    if (volume->facts.lease.holder != host)
      fresh.push_back(which);
  }
  auto reply = self_->make_response_promise<ack>();
  auto left = std::make_shared<std::size_t>(fresh.size() + 1);
  auto one_less = [left, reply]() mutable {
    if (--*left == 0)
      reply.deliver(ack{});
  };
  for (auto& which : fresh) {
    if (intents_.try_emplace(which, intent{0, clock_.wall_ms(), true}).second) {
      note(volumes_.at(which.first)->name(),
           fmt::format("is expected at host {} with VM {}", host, x.read().getDomain().cStr()));
      store(which, std::nullopt);
    }
    expect(which, one_less);
  }
  one_less();
  return reply;
}

/// Only where the operator has said so, of the volume and of the host.
caf::result<ack> herald_state::wanted(const packet<schema::LeaseWanted>& x) const {
  std::string host = x.read().getHost().cStr();
  for (auto id : x.read().getVolumes()) {
    auto at = volumes_.find(id);
    if (at != volumes_.end() && at->second->policy.implicit_flip && intents_.contains({id, host}))
      self_->send(around_.conductor, wish_order{id, host});
  }
  return ack{};
}

void herald_state::changed(const volume_ptr& now) {
  auto former = volumes_.find(now->id());
  bool other = former != volumes_.end()
               && (former->second->policy != now->policy
                   || former->second->facts.lease.holder != now->facts.lease.holder);
  volumes_[now->id()] = now;
  names_[now->name()] = now->id();
  std::vector<place> over;
  for (auto& [which, how] : intents_)
    if (which.first == now->id() && (now->erased || now->facts.lease.holder == which.second))
      over.push_back(which);
  for (auto& which : over)
    drop(which);
  if (other) // who reads for early clients, and whether they may wish
    for (auto& [which, how] : intents_)
      if (which.first == now->id())
        expect(which);
  if (now->erased) {
    volumes_.erase(now->id());
    names_.erase(now->name());
  }
}

/// Fulfilled, or pointless.
void herald_state::drop(const place& which) {
  intents_.erase(which);
  store(which, std::nullopt); // nobody asked
}

/// Makes durable what `intents_` says of `which`, then tells everybody.
void herald_state::store(const place& which, std::optional<promise> reply) {
  std::vector<store_op> ops;
  auto at = intents_.find(which);
  if (at == intents_.end())
    ops.push_back({key_of(which.first, which.second), std::nullopt});
  else
    ops.push_back({key_of(which.first, which.second),
                   lease::to_value(packet<schema::Intent>::make([&](auto out) {
                     encode(which.first, volumes_.at(which.first)->name(), which.second, at->second,
                            out);
                   }))});
  auto txn = std::make_shared<const txn_request>(txn_request{{}, std::move(ops)});
  self_->request(around_.authority, store_timeout, txn_ptr{txn})
      .then(
          [this, which, reply](std::uint64_t) mutable {
            publish();
            // Clients may connect there as soon as the answer is read.
            auto answer = [this, which, reply]() mutable {
              if (reply)
                reply->deliver(listed(which.first));
            };
            if (intents_.contains(which))
              expect(which, answer);
            else
              answer();
          },
          [reply, id = which.first](const caf::error& why) mutable {
            slog::error("an intent of volume {} is not stored: {}", id, to_fault(why).detail);
            if (reply)
              reply->deliver(why);
          });
}

void herald_state::expect(const place& which, std::function<void()> then) const {
  auto at = volumes_.find(which.first);
  auto host = hosts_.find(which.second);
  if (at == volumes_.end() || host == hosts_.end() || !host->second->up)
    return then();
  auto facts = at->second->facts;
  for (auto& [name_known, entry] : hosts_)
    facts.peers.push_back(entry->address);
  auto order = lease::configure(facts, at->second->created_ms, expect_span,
                                at->second->policy.implicit_flip);
  self_
      ->request(around_.membership, tell_timeout + 1s,
                relay{which.second, sealed{std::move(order)}, tell_timeout})
      .then([then](const sealed&) { then(); },
            [then, to = which.second](const caf::error& why) {
              slog::debug("host {} was not told: {}", to, to_fault(why).detail);
              then();
            });
}

void herald_state::publish() const {
  auto all = std::make_shared<intents>();
  for (auto& [which, how] : intents_)
    if (!how.no_copy)
      (*all)[which.first].emplace(which.second, how);
  self_->send(around_.board, intents_ptr{std::move(all)});
}

void herald_state::note(const std::string& volume, std::string text) const {
  self_->send(around_.events, event_note{"info", "volume " + volume, std::move(text)});
}

} // namespace foreshift::control
