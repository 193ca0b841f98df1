// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"

#include <memory>

namespace foreshift::control {

struct runner_parts {
  conductor_actor conductor;
  catalog_actor catalog;
  membership_actor membership;
};

/// Does what one machine asks for and feeds it the answers, until it finishes.
class runner_state {
public:
  using interface = runner_actor;

  static constexpr const char* name = "runner";

  runner_state(interface::pointer self, runner_parts around, std::uint64_t run,
               std::uint64_t volume, std::unique_ptr<lease::machine> what);

  interface::behavior_type make_behavior();

private:
  void step(lease::input in);
  void perform(const lease::send& x);
  void perform(const lease::commit& x);
  void perform(const lease::load& x);
  void perform(const lease::leave& x);
  void perform(const lease::pause& x);
  void perform(const lease::note& x);
  void perform(const lease::finish& x);

  interface::pointer self_;
  const runner_parts around_;
  const std::uint64_t run_;
  const std::uint64_t volume_;
  const std::unique_ptr<lease::machine> machine_;
};

using runner = hosted<runner_state>;

} // namespace foreshift::control
