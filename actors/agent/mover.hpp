// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"
#include "core/limits/limits.hpp"

#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace foreshift {

struct mover_options {
  double rate_bytes = 64.0 * 1024 * 1024; ///< Per second, that all moves towards this host share.
  unsigned extents_per_pull = 4;          ///< Of a slow copy.
  unsigned extents_per_pull_max = 16;     ///< Of a quick one: a sixteenth of a second's worth.
  std::size_t moves_running_max = 4;
  std::size_t moves_max = 64; ///< Running and waiting; more is `busy`.
  std::chrono::milliseconds pull_timeout{30'000};
};

/// Copies staged extents to this host, a few at a time, within the rate (the data
/// plane itself makes them wait for guests). A move that is asked for
/// again while it runs is joined, not doubled; one that failed half-way may be asked for again,
/// because the data plane skips what it has.
class mover_state {
public:
  using interface = mover_actor;

  static constexpr const char* name = "mover";

  mover_state(interface::pointer self, plane_actor plane, const clock_source& clock,
              mover_options options);

  interface::behavior_type make_behavior();

private:
  using promise = caf::typed_response_promise<packet<schema::AgentMoved>>;

  struct job {
    packet<schema::AgentMove> order;
    std::vector<promise> asked;
    std::optional<token_bucket> own; ///< The order's own limit.
    unsigned next = 0;               ///< Index of the first extent not yet pulled.
    unsigned pulling = 0;            ///< Extents in the pull under way.
    std::uint64_t copied = 0;
    std::uint64_t skipped = 0;
    std::int64_t started_ns = 0;
    std::chrono::nanoseconds throttled{0};
  };

  caf::result<packet<schema::AgentMoved>> accept(const packet<schema::AgentMove>& order);
  void start_waiting();
  void go_on(std::uint64_t id);
  unsigned pull_size(const job& x) const;
  void pulled(std::uint64_t id, const packet<schema::PlanePulled>& x);
  void finish(std::uint64_t id);
  void fail(std::uint64_t id, const caf::error& why);
  void drop(std::uint64_t id);

  interface::pointer self_;
  const plane_actor plane_;
  const clock_source& clock_;
  const mover_options options_;
  token_bucket bucket_;
  std::map<std::uint64_t, job> jobs_;
  std::deque<std::uint64_t> waiting_;
  std::size_t running_ = 0;
  std::uint64_t next_id_ = 1;
};

using mover = hosted<mover_state>;

} // namespace foreshift
