// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/volume_info.hpp"
#include "core/base/clock.hpp"

#include <caf/typed_response_promise.hpp>

#include <map>

namespace foreshift::control {

struct directory_parts {
  membership_actor membership;
  catalog_actor catalog;
  board_actor board;
  conductor_actor conductor;
};

/// Answers questions about hosts, volumes and the whole from what the other actors publish.
class directory_state {
public:
  using interface = directory_actor;
  using status_promise = caf::typed_response_promise<packet<schema::Status>>;

  static constexpr const char* name = "directory";

  directory_state(interface::pointer self, directory_parts around, const clock_source& clock,
                  std::string version, std::uint64_t token);

  interface::behavior_type make_behavior();

private:
  status_promise status();
  packet<schema::Status> describe(const activity& busy, const cycle_ptr& phases) const;
  packet<schema::Hosts> hosts() const;
  caf::result<packet<schema::Host>> host(const std::string& which) const;
  caf::result<ack> scrub(const packet<schema::ScrubStart>& x);
  caf::result<packet<schema::StopEffects>> ok_to_stop(const std::string& which) const;
  packet<schema::Volumes> volumes() const;
  caf::result<packet<schema::VolumeInfo>> volume(const std::string& which) const;
  std::vector<std::string> attached_at(const std::string& which) const;
  std::vector<std::string> problems() const;

  interface::pointer self_;
  const directory_parts around_;
  const clock_source& clock_;
  const std::string version_;
  const std::uint64_t token_;
  const std::int64_t began_ns_;
  host_table hosts_;
  std::map<std::string, volume_ptr> volumes_;
  care_ptr care_ = std::make_shared<const care>();
};

using directory = hosted<directory_state>;

} // namespace foreshift::control
