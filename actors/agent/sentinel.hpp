// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace foreshift {

struct sentinel_options {
  std::string host{};
  std::chrono::milliseconds wait{10'000};   ///< How long the data plane may keep a question.
  std::chrono::milliseconds patience{5000}; ///< Beyond that for its answer.
  std::chrono::milliseconds retry{500};     ///< After an answer that did not come.
  std::chrono::milliseconds repeat{1000};   ///< Between reports while suspects remain.
};

/// Keeps one question open at the data plane (what does it wait for?) and reports each
/// change to the coordinator at once, and again while any remain: a report may be lost, and a
/// decision may have to wait for something else.
class sentinel_state {
public:
  using interface = sentinel_actor;

  static constexpr const char* name = "sentinel";

  sentinel_state(interface::pointer self, plane_actor plane, uplink_actor uplink,
                 sentinel_options options);

  interface::behavior_type make_behavior();

private:
  void ask();
  void heard(const packet<schema::PlaneSuspects>& x);
  void lost(const fault& why);
  void report(std::uint64_t job);

  interface::pointer self_;
  const plane_actor plane_;
  const uplink_actor uplink_;
  const sentinel_options options_;
  packet<schema::PlaneSuspects> latest_;
  std::uint64_t job_ = 0; ///< Repetitions of an older answer end.
  bool complained_ = false;
};

using sentinel = hosted<sentinel_state>;

} // namespace foreshift
