// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/door/door.hpp"
#include "core/extent/extent_store.hpp"
#include "core/volume/access_ring.hpp"
#include "core/volume/copy_links.hpp"
#include "core/volume/copy_pace.hpp"
#include "core/volume/gateway.hpp"
#include "core/volume/io_counters.hpp"
#include "core/volume/nbd_link.hpp"
#include "core/volume/plane_records.hpp"
#include "core/volume/scrubber.hpp"
#include "core/volume/session_line.hpp"
#include "core/volume/suspects.hpp"
#include "core/volume/write_intents.hpp"
#include "schemas/plane.capnp.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace foreshift {

struct plane_options {
  std::string host;
  std::string directory; ///< For the file of write intents.
  std::chrono::milliseconds hold{30000};
  door::tls_files tls{};               ///< For the doors of peers.
  nbd_link_options peer_nbd{};         ///< For the NBD faces of peers.
  slowdown_options copies{};           ///< What copies may cost guests.
  std::size_t log_capacity = 1u << 18; ///< Access records kept until somebody takes them.
  disk_io* disk = nullptr;             ///< Null: the machine's.
  scrub_options scrubbing{};
};

/// A volume as this host knows it.
struct plane_volume {
  volume_shape shape;
  std::shared_ptr<volume_extents> extents;
  std::shared_ptr<gateway> gate;
  std::uint32_t slot = 0;         ///< In access notes.
  std::mutex control;             ///< Lease and map verbs, one at a time.
  packet<schema::FlipTimes> flip; ///< Of the last takeover; under `control`.
  /// Until then clients may connect although the lease is elsewhere: it has been announced.
  std::atomic<std::int64_t> expected_until_ns{0};
};

/// A session of a VCI.
struct client_session {
  std::shared_ptr<gateway> gate;
  std::uint32_t vci = 0;
};

/// A session of a peer: reads and writes under a permit, or a read-only copy session.
struct peer_session {
  std::shared_ptr<volume_extents> extents;
  io_permit permit;
  bool copy = false;
  std::shared_ptr<session_line> line{}; ///< Entered by each request, with `number`.
  std::uint64_t number = 0;
};

/// Everything one host's data plane is made of: its volumes, what it knows of peers, the access log
/// and the sessions. Any thread.
class plane {
public:
  /// Brings back what a former process held: leases resume at their epoch (see gateway::resume).
  static result<std::unique_ptr<plane>> open(plane_options options, extent_store& store,
                                             door::io_thread& io, link_factory links,
                                             const clock_source& clock);
  ~plane();
  plane(const plane&) = delete;
  plane& operator=(const plane&) = delete;

  const plane_options& options() const { return options_; }
  extent_store& store() { return store_; }
  plane_records& records() { return records_; }
  access_ring& log() { return log_; }
  const clock_source& clock() const { return clock_; }
  suspect_board& suspects() { return suspects_; }
  copy_links& copies() { return copies_; }
  io_counters& peer_io() { return peer_io_; }
  io_counters& copy_io() { return copy_io_; }
  copy_pace& pace() { return pace_; }
  scrubber& scrub() { return scrub_; }
  void wake_scrub();
  std::int64_t started_ms() const { return started_ms_; }

  /// What guests and peers were served since start; copies are not in it.
  foreground_totals foreground() const;

  /// Creates the volume or checks that it has this shape (`invalid` if not). Durable.
  result<void> configure(schema::VolumeSpec::Reader spec);

  /// `not_found` names the volume and the host.
  result<std::shared_ptr<plane_volume>> find(std::uint64_t id) const;
  result<std::shared_ptr<plane_volume>> find_name(std::string_view name) const;
  std::vector<std::shared_ptr<plane_volume>> volumes() const;

  /// `precondition` while this host is primary of it.
  result<void> forget(std::uint64_t id);

  // -- peers ------------------------------------------------------------------------------------

  void learn(capnp::List<schema::HostAddress>::Reader peers);
  peer_addresses nbd_addresses() const;

  /// The plane door of a host; the connection is kept. `not_found` for a host never heard of.
  result<std::shared_ptr<door::client>> door_of(const std::string& host);

  // -- sessions ---------------------------------------------------------------------------------

  /// `precondition`: the volume is not attached here; the sentence is meant for the VCI's operator.
  result<client_session> open_client(std::string_view export_name, std::int64_t pid);
  void close_client(std::uint32_t vci);

  /// Parses "peer:VOLUME:EPOCH:HOLDER:MOVE" and "copy:VOLUME"; `invalid`, `not_found`.
  result<peer_session> open_peer(std::string_view export_name);

  /// The gateway that reads for clients of an announced destination: "look:VOLUME"; `invalid`,
  /// `not_found`.
  result<std::shared_ptr<gateway>> open_look(std::string_view export_name);

  struct client_row {
    std::uint64_t volume;
    std::int64_t pid;
    std::uint32_t vci;
    std::int64_t since_ms;
  };
  std::vector<client_row> clients() const;

  /// Volume of an access note's slot; 0 when it was forgotten meanwhile.
  std::uint64_t volume_of_slot(std::uint32_t slot) const;

private:
  plane(plane_options options, extent_store& store, door::io_thread& io, link_factory links,
        const clock_source& clock, std::unique_ptr<write_intents> intents);

  std::shared_ptr<session_line> line_of(std::uint64_t volume, io_permit permit,
                                        std::uint64_t fence);
  result<void> restore();
  result<void> restore_lease(plane_volume& volume);
  result<void> drop_lease(plane_volume& volume);
  result<std::shared_ptr<plane_volume>> build(const volume_shape& shape);
  void mend();
  void keep_scrubbing();

  const plane_options options_;
  extent_store& store_;
  door::io_thread& io_;
  const link_factory links_;
  const clock_source& clock_;
  plane_records records_;
  std::unique_ptr<write_intents> intents_;
  access_ring log_;
  suspect_board suspects_;
  copy_links copies_;
  io_counters peer_io_; ///< Served to other hosts' gateways,
  io_counters copy_io_; ///< and to their moves.
  const std::int64_t started_ms_;

  struct peer_entry {
    packet<schema::HostAddress> address;
    std::shared_ptr<door::client> client;
  };

  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<plane_volume>> volumes_;
  std::map<std::string, peer_entry, std::less<>> peers_;
  std::map<std::uint32_t, client_row> clients_;
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>, std::shared_ptr<session_line>>
      lines_; ///< By volume, epoch and move.
  std::vector<std::uint64_t> slots_;
  std::uint32_t vcis_ = 0;
  copy_pace pace_;

  std::condition_variable stop_changed_;
  bool stopping_ = false;
  std::thread mender_; ///< Makes replicas of failed writes equal again, in the background.

  scrubber scrub_;
  std::condition_variable scrub_changed_;
  bool scrub_asked_ = false;
  std::thread scrub_thread_;
};

} // namespace foreshift
