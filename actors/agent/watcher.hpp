// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/telemetry/guest_sample.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace foreshift {

/// Somebody who knows VMs from inside: QEMU's monitors, libvirt. May block.
struct guest_source {
  std::string name;
  std::function<result<guest_samples>()> sample;
};

/// The sources that are configured; an empty directory or address: that one is not.
std::vector<guest_source> guest_sources(const std::string& qmp_directory,
                                        const std::string& libvirt_uri, const clock_source& clock);

struct watcher_options {
  std::chrono::milliseconds interval{1000};
};

/// Asks the sources of VMs' metrics, which may block it (it is detached), and gives the collector
/// what they say. A source that fails is named once, until it answers again.
class watcher_state {
public:
  using interface = watcher_actor;

  static constexpr const char* name = "watcher";

  watcher_state(interface::pointer self, collector_actor collector,
                std::vector<guest_source> sources, watcher_options options);

  interface::behavior_type make_behavior();

private:
  void look();

  interface::pointer self_;
  const collector_actor collector_;
  const std::vector<guest_source> sources_;
  const watcher_options options_;
  std::vector<bool> silent_; ///< By source.
};

using watcher = hosted<watcher_state>;

} // namespace foreshift
