// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/membership.hpp"

#include "core/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

std::string key_of(const std::string& host) {
  return "hosts/" + host;
}

std::string drain_key_of(const std::string& host) {
  return "draining/" + host;
}

result<void> check_name(std::string_view name) {
  auto good = [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) || c == '.' || c == '-';
  };
  if (name.empty() || name.size() > 253 || !std::all_of(name.begin(), name.end(), good)
      || name.front() == '.' || name.front() == '-')
    return fault{errc::invalid,
                 fmt::format("'{}' is not a host name: use a-z, 0-9, '.' and '-'", name)};
  return {};
}

} // namespace

membership_state::membership_state(interface::pointer self, authority_actor authority,
                                   events_actor events, agent_connector connect,
                                   const clock_source& clock, policy rules, std::uint64_t token)
    : self_(self), authority_(std::move(authority)), events_(std::move(events)),
      connect_(std::move(connect)), clock_(clock), rules_(rules), token_(token) {}

membership_actor::behavior_type membership_state::make_behavior() {
  recover();
  compat::send_later(self_, membership_actor{self_}, rules_.report_interval, tick{});
  return {
      [this](const packet<schema::HostHello>& x) { return hello(x); },
      [this](const packet<schema::HostReport>& x) { return report(x); },
      [this](const host_forget& x) { return forget(x.host); },
      [this](const host_drain_mark& x) { return mark(x); },
      [this](const relay& x) { return pass_on(x); },
      [this](const subscribe& x) {
        watchers_.push_back(x.who);
        for (auto& [host, member] : members_)
          self_->send(x.who, host_changed{std::make_shared<host_entry>(*member.entry)});
      },
      [this](tick) {
        check_silence();
        compat::send_later(self_, membership_actor{self_}, rules_.report_interval, tick{});
      },
  };
}

void membership_state::recover() {
  self_->request(authority_, 30s, range_request{"hosts/"})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all)
              if (auto address = packet<schema::HostAddress>::admit(as_bytes(record.value))) {
                auto known = lease::decode(address->read());
                auto& member = members_[known.name];
                member.entry = std::make_shared<host_entry>();
                connect(member, known);
              }
          },
          [this](const caf::error& why) { self_->quit(why); });
  self_->request(authority_, 30s, range_request{drain_key_of("")})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all)
              if (auto at = members_.find(record.key.substr(drain_key_of("").size()));
                  at != members_.end())
                at->second.entry->draining = true;
          },
          [this](const caf::error& why) { self_->quit(why); });
}

void membership_state::connect(host_slot& x, lease::host_address address) {
  if (!x.agent || x.entry->address.agent != address.agent)
    x.agent = connect_(address);
  x.entry->address = std::move(address);
}

caf::result<packet<schema::HostWelcome>>
membership_state::hello(const packet<schema::HostHello>& x) {
  auto address = lease::decode(x.read().getAddress());
  if (auto ok = check_name(address.name); !ok)
    return to_caf(ok.error());
  auto& member = members_[address.name];
  if (!member.entry) {
    member.entry = std::make_shared<host_entry>();
    note("info", address.name, fmt::format("joined the cell agent={}", address.agent));
  }
  if (!(member.entry->address == address)) {
    connect(member, address);
    remember(address);
  }
  member.entry->version = x.read().getVersion().cStr();
  seen(member);
  publish(member);
  return welcome();
}

void membership_state::remember(const lease::host_address& address) {
  auto record = packet<schema::HostAddress>::make([&](auto out) { lease::encode(address, out); });
  std::vector<store_op> ops;
  ops.push_back({key_of(address.name), lease::to_value(record)});
  auto txn = std::make_shared<const txn_request>(txn_request{{}, std::move(ops)});
  self_->request(authority_, 30s, txn_ptr{txn})
      .then([](std::uint64_t) {},
            [host = address.name](const caf::error& why) {
              slog::error("host {} is not stored: {}", host, to_fault(why).detail);
            });
}

caf::result<ack> membership_state::report(const packet<schema::HostReport>& x) {
  auto at = members_.find(x.read().getHost().cStr());
  if (at == members_.end())
    return to_caf(fault{errc::not_found, "this coordinator does not know the host; say hello"});
  auto& member = at->second;
  member.entry->report = x;
  ++member.entry->reports;
  seen(member);
  publish(member);
  return ack{};
}

void membership_state::seen(host_slot& x) {
  x.seen_ns = clock_.monotonic_ns();
  x.entry->seen_ms = clock_.wall_ms();
  if (!x.entry->up)
    note("info", x.entry->address.name, "is up");
  x.entry->up = true;
}

void membership_state::check_silence() {
  auto limit_ns = std::chrono::nanoseconds{rules_.silence_max}.count();
  for (auto& [host, member] : members_)
    if (member.entry->up && clock_.monotonic_ns() - member.seen_ns > limit_ns) {
      member.entry->up = false;
      note("warning", host, fmt::format("is down: silent for {} s", limit_ns / 1'000'000'000));
      publish(member);
    }
}

caf::result<ack> membership_state::forget(const std::string& host) {
  auto at = members_.find(host);
  if (at == members_.end())
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", host)});
  if (at->second.entry->up)
    return to_caf(
        fault{errc::precondition, fmt::format("host '{}' is up; stop its agent first", host)});
  at->second.entry->dropped = true;
  publish(at->second);
  members_.erase(at);
  note("info", host, "left the cell");
  std::vector<store_op> ops;
  ops.push_back({key_of(host), std::nullopt});
  ops.push_back({drain_key_of(host), std::nullopt});
  return store_then_ack(std::move(ops));
}

caf::result<ack> membership_state::mark(const host_drain_mark& x) {
  auto at = members_.find(x.host);
  if (at == members_.end())
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", x.host)});
  if (at->second.entry->draining == x.on)
    return ack{};
  at->second.entry->draining = x.on;
  publish(at->second);
  note("info", x.host, x.on ? "drains: it gets nothing new" : "is used again");
  std::vector<store_op> ops;
  ops.push_back({drain_key_of(x.host), x.on ? std::optional<std::string>{""} : std::nullopt});
  return store_then_ack(std::move(ops));
}

caf::result<ack> membership_state::store_then_ack(std::vector<store_op> ops) {
  auto txn = std::make_shared<const txn_request>(txn_request{{}, std::move(ops)});
  auto reply = self_->make_response_promise<ack>();
  self_->request(authority_, 30s, txn_ptr{txn})
      .then([reply](std::uint64_t) mutable { reply.deliver(ack{}); },
            [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

caf::result<sealed> membership_state::pass_on(const relay& x) {
  auto at = members_.find(x.host);
  if (at == members_.end())
    return to_caf(fault{errc::not_found, fmt::format("no host named '{}'", x.host)});
  auto reply = self_->make_response_promise<sealed>();
  self_->request(at->second.agent, x.timeout, x.request)
      .then([reply](const sealed& got) mutable { reply.deliver(got); },
            [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

void membership_state::publish(const host_slot& x) {
  auto now = std::make_shared<const host_entry>(*x.entry);
  for (auto& who : watchers_)
    self_->send(who, host_changed{now});
}

void membership_state::note(std::string level, const std::string& host, std::string text) {
  self_->send(events_, event_note{std::move(level), "host " + host, std::move(text)});
}

packet<schema::HostWelcome> membership_state::welcome() const {
  return packet<schema::HostWelcome>::make([&](auto out) {
    out.setToken(token_);
    out.setReportMs(static_cast<std::uint32_t>(rules_.report_interval.count()));
    out.setForecastMs(static_cast<std::uint32_t>(rules_.forecast_interval.count()));
    out.setHorizonMs(static_cast<std::uint32_t>(rules_.horizon.count()));
    out.setMoveRateBytes(rules_.rates.of_host());
  });
}

} // namespace foreshift::control
