// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/errors.hpp"
#include "actors/base/system.hpp"

#include <caf/actor_system.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace foreshift::test {

/// A configuration with the deterministic scheduler and a silent logger.
struct test_config : actor_config {
  test_config();
};

/// An actor system in which nothing happens unless the test says so.
///
/// Messages move in `settle()`, time moves in `advance()`. Both are virtual: no thread runs, so a
/// test that passes once passes always.
class test_system {
public:
  test_system();
  ~test_system();

  /// Delivers messages until no actor has work left. Fails after `steps_max`, because two actors
  /// may play ping-pong for ever.
  std::size_t settle(std::size_t steps_max = 10'000);

  /// Like `settle`, but picks the next ready actor with a seeded generator.
  std::size_t settle_shuffled(std::uint64_t seed, std::size_t steps_max = 10'000);

  /// Moves the virtual clock, then settles. Periodic timers fire at most once a call, so advance in
  /// steps of the period.
  void advance(std::chrono::milliseconds step);

  /// Sends a request, settles and returns the answer; an error fails the test.
  template <class T, class Handle, class... Args>
  T ask(const Handle& whom, Args&&... args) {
    auto got = try_ask<T>(whom, std::forward<Args>(args)...);
    REQUIRE_MESSAGE(got, (got ? "" : to_string(got.error())));
    return *std::move(got);
  }

  /// Sends a request that must fail and returns why it did.
  template <class T, class Handle, class... Args>
  fault ask_fault(const Handle& whom, Args&&... args) {
    auto got = try_ask<T>(whom, std::forward<Args>(args)...);
    REQUIRE_MESSAGE(!got, "the request succeeded");
    return got.error();
  }

  /// Sends a request, settles and returns the answer or the fault. A missing answer fails the test.
  template <class T, class Handle, class... Args>
  result<T> try_ask(const Handle& whom, Args&&... args) {
    auto pending = self->request(whom, caf::infinite, std::forward<Args>(args)...);
    settle();
    // Without this, a missing answer would block the test for ever.
    REQUIRE_MESSAGE(self->has_next_message(), "no answer");
    std::optional<result<T>> out;
    pending.receive([&](T& x) { out = std::move(x); },
                    [&](const caf::error& why) { out = to_fault(why); });
    return *std::move(out);
  }

  /// Ends this actor with the fixture. Needed for actors that may hold unanswered requests or
  /// timers, which would keep them, and so the system, alive.
  template <class Handle>
  Handle adopt(Handle whom) {
    adopted_.push_back(caf::actor_cast<caf::strong_actor_ptr>(whom));
    return whom;
  }

  /// Downcasts a handle to look at an actor's state.
  template <class Actor, class Handle>
  const Actor& peek(const Handle& whom) const {
    auto* ptr = caf::actor_cast<caf::abstract_actor*>(whom);
    REQUIRE(ptr != nullptr);
    return dynamic_cast<const Actor&>(*ptr);
  }

private:
  test_config config_;
  std::vector<caf::strong_actor_ptr> adopted_;

public:
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
  caf::scoped_actor self;
};

} // namespace foreshift::test
