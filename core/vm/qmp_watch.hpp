// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/telemetry/guest_sample.hpp"
#include "core/vm/qmp_client.hpp"
#include "core/vm/qmp_drives.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace foreshift {

/// Measures the VMs whose monitors are sockets in one directory. A monitor serves one client, so
/// these are for this alone (a second -qmp). Calls block for at most half a second a VM that does
/// not answer; it is tried again a minute later. One thread.
class qmp_watch {
public:
  qmp_watch(std::string directory, const clock_source& clock)
      : directory_(std::move(directory)), clock_(clock) {}

  /// Rates are since the previous call, so the first has none.
  guest_samples sample();

private:
  struct vm {
    std::unique_ptr<qmp::client> monitor;
    std::int64_t retry_ns = 0;
    std::int64_t at_ns = 0;
    std::int64_t dirty_asked_ns = 0;
    std::uint64_t dirty_bytes = 0;
    std::map<std::string, qmp::drive> before; ///< By volume.
  };

  result<void> look(vm& x, guest_samples& out);
  result<void> look_at_ram(vm& x, std::int64_t now_ns);

  const std::string directory_;
  const clock_source& clock_;
  std::map<std::string, vm> vms_; ///< By socket.
};

} // namespace foreshift
