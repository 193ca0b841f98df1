// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/host_report.hpp"
#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"

#include <chrono>

namespace foreshift {

struct collector_options {
  std::chrono::milliseconds sample_interval{1000};
  std::chrono::milliseconds drain_interval{250};
  std::chrono::milliseconds plane_timeout{2000};
  std::chrono::milliseconds store_timeout{10'000};
  std::uint32_t records_max = 65'536; ///< Per drain; 2 MiB on the wire.
};

struct collector_parts {
  plane_actor plane;
  vault_actor vault;
  forecasts_actor forecasts;
  mover_actor mover;
  uplink_actor uplink;
};

/// Measures every second and drains the access log. While the data plane is down it still reports
/// the host and says what is missing. The next drain starts only after history and forecasts took
/// the last one, so a slow disk slows the draining and the data plane's ring bounds what waits.
class collector_state {
public:
  using interface = collector_actor;

  static constexpr const char* name = "collector";

  collector_state(interface::pointer self, collector_parts parts, host_reporter reporter,
                  collector_options options);

  interface::behavior_type make_behavior();

private:
  void sample();
  void send_report(const packet<schema::PlaneStatus>* status);
  void drain();
  void drained(const packet<schema::PlaneLog>& log);
  void learn(const packet<schema::PlaneLog>& log);
  void drain_again(bool at_once);

  interface::pointer self_;
  const collector_parts parts_;
  host_reporter reporter_;
  const collector_options options_;
  guests_ptr guests_ = std::make_shared<const guests_seen>();
  bool plane_up_ = false; ///< At the start the supervisor tells what goes wrong.
};

using collector = hosted<collector_state>;

} // namespace foreshift
