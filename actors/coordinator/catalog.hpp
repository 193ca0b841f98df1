// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/volume_info.hpp"
#include "core/base/clock.hpp"

#include <map>
#include <set>

namespace foreshift::control {

/// Keys of volumes that were deleted: a host that was away then still has to be told. Only what is
/// named here is ever deleted at a host for being unknown.
inline constexpr std::string_view gone_key_prefix = "gone/";

class catalog_state {
public:
  using interface = catalog_actor;

  static constexpr const char* name = "catalog";

  catalog_state(interface::pointer self, authority_actor authority, membership_actor membership,
                events_actor events, const clock_source& clock);

  interface::behavior_type make_behavior();

private:
  void recover();
  void load(const std::vector<stored>& records);
  caf::result<packet<schema::VolumeInfo>> create(const packet<schema::VolumeCreate>& x);
  caf::result<packet<schema::VolumeInfo>> set(const packet<schema::VolumeSet>& x);
  caf::result<ack> erase(const std::string& volume);
  caf::result<facts_ptr> facts(std::uint64_t volume) const;
  caf::result<std::uint64_t> commit(const commit_request& x);
  void apply(std::uint64_t volume, const txn_request& x, std::uint64_t revision);
  void reread(std::uint64_t volume, std::function<void()> then);
  void refresh(std::uint64_t volume, const std::string& prefix, const std::vector<stored>& records);
  result<volume_shape> shape_of(schema::VolumeCreate::Reader x) const;
  lease::volume_facts with_peers(const volume_entry& x) const;
  void publish(const volume_ptr& x);
  void note(std::string level, const std::string& volume, std::string text);

  /// Sends to each host and calls `then` once all have answered or failed.
  template <class Then>
  void tell_all(const std::set<std::string>& to, const door::envelope& request, Then then);

  interface::pointer self_;
  const authority_actor authority_;
  const membership_actor membership_;
  const events_actor events_;
  const clock_source& clock_;
  std::map<std::uint64_t, volume_ptr> volumes_;
  std::map<std::string, std::uint64_t> names_; ///< Those being created included.
  std::uint64_t last_volume_ = 0;
  host_table hosts_;
  std::vector<watcher_actor> watchers_;
};

using catalog = hosted<catalog_state>;

} // namespace foreshift::control
