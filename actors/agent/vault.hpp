// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/agent_store.hpp"
#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"
#include "core/trace/access_log.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace foreshift {

struct vault_options {
  std::chrono::milliseconds gather{2000}; ///< So much history may be lost by kill -9.
  std::size_t records_max = 65'536;       ///< Gathered records, over all volumes.
  std::function<void()> at_start = [] {}; ///< Called on the actor's thread.
};

/// Serialises access to the agent's store, which blocks on disk: spawn it detached. Tests spawn it
/// without the flag to stay on the deterministic scheduler. Access records are gathered for a
/// moment, so that segments are worth compressing.
class vault_state {
public:
  using interface = vault_actor;

  static constexpr const char* name = "vault";

  vault_state(interface::pointer self, std::shared_ptr<agent_store> store,
              const clock_source& clock, vault_options options);
  ~vault_state();

  interface::behavior_type make_behavior();

private:
  caf::result<packet<schema::Done>> keep_log(const packet<schema::PlaneLog>& log);
  result<void> write_log();
  caf::result<packet<schema::Done>> keep_state(const packet<schema::ForecastState>& state);
  caf::result<packet<schema::ForecastState>> take_state(std::uint64_t volume) const;
  caf::result<packet<schema::AgentStatus>> keep_token(std::uint64_t token);
  packet<schema::AgentStatus> status() const;

  const std::shared_ptr<agent_store> store_;
  const clock_source& clock_;
  const vault_options options_;
  std::uint64_t token_ = 0;
  std::map<std::uint64_t, std::vector<access_record>> gathered_; // by volume
  std::size_t gathered_records_ = 0;
  std::int64_t gathered_since_ns_ = 0;
};

using vault = hosted<vault_state>;

} // namespace foreshift
