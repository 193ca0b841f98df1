// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/volume_info.hpp"
#include "core/base/clock.hpp"

#include <caf/typed_response_promise.hpp>

#include <functional>
#include <map>
#include <optional>

namespace foreshift::control {

struct herald_parts {
  authority_actor authority;
  membership_actor membership;
  board_actor board;
  events_actor events;
  conductor_actor conductor;
};

/// Keeps announcements: which volumes are to move where. Lets their clients connect there ahead of
/// the lease, and tells the board, which walks the placement there. In the store; fulfilled, and
/// forgotten, once the volume is attached there.
class herald_state {
public:
  using interface = herald_actor;

  static constexpr const char* name = "herald";

  herald_state(interface::pointer self, herald_parts around, const clock_source& clock);

  interface::behavior_type make_behavior();

private:
  using promise = caf::typed_response_promise<packet<schema::Intents>>;
  using place = std::pair<std::uint64_t, std::string>; ///< Volume and host.

  void recover();
  caf::result<packet<schema::Intents>> announce(const packet<schema::Announce>& x);
  caf::result<packet<schema::Intents>> withdraw(const packet<schema::AnnounceWithdraw>& x);
  caf::result<packet<schema::Intents>> list(const std::string& volume) const;
  packet<schema::Intents> listed(std::optional<std::uint64_t> volume) const;
  result<volume_ptr> find(const std::string& volume) const;
  caf::result<ack> expect_guest(const packet<schema::GuestExpected>& x);
  caf::result<ack> wanted(const packet<schema::LeaseWanted>& x) const;
  void changed(const volume_ptr& now);
  void drop(const place& which);
  void store(const place& which, std::optional<promise> reply);
  void expect(
      const place& which, std::function<void()> then = [] {}) const;
  void publish() const;
  void note(const std::string& volume, std::string text) const;

  interface::pointer self_;
  const herald_parts around_;
  const clock_source& clock_;
  std::map<place, intent> intents_;
  std::map<std::uint64_t, volume_ptr> volumes_;
  std::map<std::string, std::uint64_t> names_;
  host_table hosts_;
};

using herald = hosted<herald_state>;

} // namespace foreshift::control
