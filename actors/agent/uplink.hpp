// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace foreshift {

/// A coordinator and how to speak with it.
struct coordinator_link {
  std::string address;
  coordinator_actor actor;
};

/// Who this host is, as HostHello says it.
struct host_identity {
  std::string name{};
  std::string zone{};
  std::string nbd{};
  std::string plane{};
  std::string agent{};
  std::string version{};
  std::int64_t boot_ms = 0;
};

struct uplink_options {
  std::chrono::milliseconds first_report{100};     ///< How often to look for the first measurement.
  std::chrono::milliseconds report_interval{1000}; ///< Until a coordinator asks for another.
  std::chrono::milliseconds backoff_min{500};
  std::chrono::milliseconds backoff_max{5000};
  std::chrono::milliseconds timeout{3000};
  std::size_t forecasts_in_flight_max = 1024;
};

/// Says hello to the coordinators in turn until one welcomes this host, then reports. A lost
/// coordinator is greeted again; one with a lower leadership token than seen before is not obeyed.
class uplink_state {
public:
  using interface = uplink_actor;

  static constexpr const char* name = "uplink";

  /// `links` must not be empty.
  uplink_state(interface::pointer self, std::vector<coordinator_link> links, vault_actor vault,
               host_identity identity, uplink_options options);

  interface::behavior_type make_behavior();

private:
  void tick();
  void hello();
  void check_token(const packet<schema::HostWelcome>& offer);
  void welcomed(const packet<schema::HostWelcome>& offer);
  void report();
  void lost(const fault& why);
  void pass_on(const packet<schema::ForecastReport>& x);
  void pass_on(const packet<schema::ReplicasSuspected>& x);
  void pass_on(const packet<schema::LeaseWanted>& x);
  caf::result<packet<schema::Done>> pass_on(const packet<schema::GuestExpected>& x);
  void arm(std::chrono::milliseconds after);
  packet<schema::HostHello> introduction() const;
  packet<schema::AgentStatus> status() const;
  const coordinator_link& link() const { return links_[current_]; }

  interface::pointer self_;
  const std::vector<coordinator_link> links_;
  const vault_actor vault_;
  const host_identity identity_;
  const uplink_options options_;
  std::size_t current_ = 0;
  bool welcome_ = false;
  bool measured_ = false;
  packet<schema::HostReport> latest_;
  packet<schema::HostWelcome> wanted_;
  std::chrono::milliseconds backoff_;
  std::size_t forecasts_in_flight_ = 0;
  bool complained_ = false;
};

using uplink = hosted<uplink_state>;

} // namespace foreshift
