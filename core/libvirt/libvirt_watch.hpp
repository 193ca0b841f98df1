// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/telemetry/guest_sample.hpp"

#include <memory>
#include <string>
#include <vector>

namespace foreshift {

/// Measures the VMs that libvirt runs, through a connection that can only read. One thread; calls
/// block for as long as libvirt takes.
class libvirt_watch {
public:
  /// `uri` as libvirt knows it: "qemu:///system", "test:///default".
  libvirt_watch(std::string uri, const clock_source& clock);
  ~libvirt_watch();

  /// One a drive of a running or paused domain that is an NBD export. Rates are since the previous
  /// call. `unreachable`: libvirt does not answer, it is tried again at the next call;
  /// `precondition`: this build is without libvirt.
  result<guest_samples> sample();

private:
  struct connection;

  const std::string uri_;
  const clock_source& clock_;
  std::unique_ptr<connection> at_;
};

/// A network disk of a domain.
struct domain_disk {
  std::string target; ///< "vda": libvirt's name of the drive.
  std::string volume; ///< Export name.
  friend bool operator==(const domain_disk&, const domain_disk&) = default;
};

/// The NBD disks in a domain's XML as libvirt formats it. Anything else is left out; the text may
/// be anything.
std::vector<domain_disk> nbd_disks_in(const std::string& domain_xml);

} // namespace foreshift
