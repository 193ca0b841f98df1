// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/options.hpp"
#include "actors/coordinator/volume_info.hpp"
#include "core/base/clock.hpp"

#include <map>
#include <set>

namespace foreshift::control {

struct mender_parts {
  conductor_actor conductor;
  membership_actor membership;
  events_actor events;
  directory_actor directory;
};

/// Keeps replicas whole: decides at a primary's word that a failed host is left out, brings it back
/// when it is there again, and makes its replicas anew elsewhere when it stays away for too long.
/// What it remembers is only when and how often; everything else is in the store.
class mender_state {
public:
  using interface = mender_actor;

  static constexpr const char* name = "mender";

  mender_state(interface::pointer self, mender_parts around, const clock_source& clock,
               policy rules);

  interface::behavior_type make_behavior();

private:
  using place = std::pair<std::uint64_t, std::string>; ///< Volume and host.
  /// A host that a volume's map leaves out.
  struct absence {
    std::uint64_t since = 0; ///< Map version.
    std::int64_t began_ns = 0;
    std::int64_t next_ns = 0;   ///< No return before.
    std::int64_t pause_ns = 0;  ///< After the next failure.
    std::uint64_t bytes = 0;    ///< Copied back so far.
    std::uint64_t replaced = 0; ///< Extents made anew elsewhere.
    bool over = false;          ///< Nothing is missing any more; the last batch is being ended.
  };
  /// A replica that writes wait for and that cannot be left out.
  struct wait {
    std::uint64_t extents = 0;
    std::string reason;
    std::int64_t heard_ns = 0;
  };

  // mender.cpp: failing replicas
  ack suspected(const packet<schema::ReplicasSuspected>& x);
  void decide(const volume_entry& volume, const std::string& host, const host_set& suspects,
              const std::string& reason);
  void left_out(std::uint64_t volume, const std::string& host, const std::string& reason,
                const lease::finish& how);
  void forget_waits();
  void publish();
  std::string state_of(const volume_entry& volume, const std::string& host) const;
  void note(std::string level, std::uint64_t volume, std::string text);

  // mender_return.cpp: their return, or replacement
  void changed(const volume_ptr& now);
  void close(const volume_entry& volume, const std::string& host, const absence& x);
  void mend();
  bool mend(const volume_entry& volume);
  bool mend(const volume_entry& volume, const std::string& host, absence& x);
  template <class Order>
  void order(Order what, std::string host);
  void batch_over(std::uint64_t volume, const std::string& host, const lease::finish& how,
                  bool returning, std::uint64_t extents);
  bool is_up(const std::string& host) const;

  interface::pointer self_;
  const mender_parts around_;
  const clock_source& clock_;
  const policy rules_;
  std::map<std::uint64_t, volume_ptr> volumes_;
  host_table hosts_;
  std::map<place, absence> away_;
  std::map<place, std::pair<int, std::int64_t>> losses_; ///< How often, and when last.
  std::map<place, wait> waits_;
  std::set<place> deciding_;
  std::set<std::uint64_t> busy_; ///< Volumes with a batch of ours in flight.
  care_ptr published_ = std::make_shared<const care>();
};

using mender = hosted<mender_state>;

} // namespace foreshift::control
