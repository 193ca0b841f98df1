// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/agent/nbsr.hpp"
#include "core/base/clock.hpp"
#include "core/telemetry/host_sampler.hpp"
#include "core/telemetry/vci_sampler.hpp"
#include "schemas/agent.capnp.h"

#include <cstdint>
#include <map>
#include <string>

namespace foreshift {

/// Measures one host for its heartbeat: the machine, its storage service and the VCIs at the other
/// end of the gateway's socket. What cannot be measured is named in the report. One thread.
class host_reporter {
public:
  /// `root` is where /proc and /sys are found; tests replace it.
  host_reporter(std::string host, const clock_source& clock, std::string root = "/")
      : host_(std::move(host)), clock_(clock), root_(root), machine_(root) {}

  /// `status` is null when the data plane did not answer. `guests`: what hypervisors said last.
  packet<schema::HostReport> report(const packet<schema::PlaneStatus>* status,
                                    const guests_seen& guests = {});

private:
  struct vci {
    std::uint64_t volume = 0;
    std::string name; ///< Of the volume.
    vci_sample sample;
  };

  std::vector<vci> sample_vcis(schema::PlaneStatus::Reader status, std::int64_t now_ns);

  std::string host_;
  const clock_source& clock_;
  std::string root_;
  host_sampler machine_;
  nbsr_meter meter_;
  std::map<std::uint32_t, vci_sampler> vcis_; // by pid
};

} // namespace foreshift
