// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <caf/actor_config.hpp>
#include <caf/fwd.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <optional>
#include <utility>

namespace foreshift {

/// Hosts `State` as a typed, event-based actor: `system.spawn<hosted<State>>(args...)`.
///
/// CAF 0.17's stateful_actor default-constructs its state and fills it in later. This adapter
/// constructs `State(self, args...)` in one step, so that dependencies can be const members, and
/// destroys it in `on_exit`, which breaks reference cycles between actors. `State` provides:
///   - `using interface = caf::typed_actor<...>`
///   - `static constexpr const char* name`
///   - `interface::behavior_type make_behavior()`
template <class State>
class hosted final : public State::interface::base {
public:
  using super = typename State::interface::base;
  using behavior_type = typename State::interface::behavior_type;

  template <class... Args>
  explicit hosted(caf::actor_config& config, Args&&... args) : super(config) {
    state_.emplace(static_cast<super*>(this), std::forward<Args>(args)...);
  }

  const char* name() const override { return State::name; }

  void on_exit() override { state_.reset(); }

  /// A look inside, for tests; actors never reach into each other.
  const State& state() const { return state_.value(); }

private:
  behavior_type make_behavior() override { return state_->make_behavior(); }

  std::optional<State> state_;
};

} // namespace foreshift
