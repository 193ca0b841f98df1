// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/options.hpp"
#include "core/base/clock.hpp"

#include <functional>
#include <map>

namespace foreshift::control {

/// Makes the courier to an agent's door, by its address.
using agent_connector = std::function<courier_actor(const lease::host_address&)>;

class membership_state {
public:
  using interface = membership_actor;

  static constexpr const char* name = "membership";

  membership_state(interface::pointer self, authority_actor authority, events_actor events,
                   agent_connector connect, const clock_source& clock, policy rules,
                   std::uint64_t token);

  interface::behavior_type make_behavior();

private:
  struct host_slot {
    std::shared_ptr<host_entry> entry;
    courier_actor agent;
    std::int64_t seen_ns = 0;
  };

  void recover();
  caf::result<packet<schema::HostWelcome>> hello(const packet<schema::HostHello>& x);
  caf::result<ack> report(const packet<schema::HostReport>& x);
  caf::result<ack> forget(const std::string& host);
  caf::result<ack> mark(const host_drain_mark& x);
  caf::result<ack> store_then_ack(std::vector<store_op> ops);
  caf::result<sealed> pass_on(const relay& x);
  void check_silence();
  void seen(host_slot& x);
  void remember(const lease::host_address& address);
  void connect(host_slot& x, lease::host_address address);
  void publish(const host_slot& x);
  void note(std::string level, const std::string& host, std::string text);
  packet<schema::HostWelcome> welcome() const;

  interface::pointer self_;
  const authority_actor authority_;
  const events_actor events_;
  const agent_connector connect_;
  const clock_source& clock_;
  const policy rules_;
  const std::uint64_t token_;
  std::map<std::string, host_slot> members_;
  std::vector<watcher_actor> watchers_;
};

using membership = hosted<membership_state>;

} // namespace foreshift::control
