// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "core/base/clock.hpp"

#include <caf/typed_response_promise.hpp>

#include <deque>

namespace foreshift::control {

inline constexpr std::size_t events_max = 10'000;

/// A ring of events in memory, written through to the store in batches.
class events_state {
public:
  using interface = events_actor;
  using answer = caf::typed_response_promise<packet<schema::Events>>;

  static constexpr const char* name = "events";

  events_state(interface::pointer self, authority_actor authority, const clock_source& clock);

  interface::behavior_type make_behavior();

private:
  struct waiter {
    std::uint64_t after = 0;
    std::uint32_t limit = 0;
    std::int64_t until_ns = 0;
    answer reply;
  };

  void recover();
  void add(const event_note& x);
  answer get(const packet<schema::EventsGet>& x);
  void wake();
  void save();
  packet<schema::Events> since(std::uint64_t after, std::uint32_t limit) const;

  interface::pointer self_;
  const authority_actor authority_;
  const clock_source& clock_;
  std::deque<packet<schema::Event>> ring_;
  std::vector<store_op> unsaved_;
  std::vector<waiter> waiters_;
  std::uint64_t last_seq_ = 0;
  bool saving_ = false;
};

using events = hosted<events_state>;

} // namespace foreshift::control
