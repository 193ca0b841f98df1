// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/extent/extent_store.hpp"
#include "core/volume/access_ring.hpp"
#include "core/volume/early_clients.hpp"
#include "core/volume/hold_gate.hpp"
#include "core/volume/io_counters.hpp"
#include "core/volume/lost_blocks.hpp"
#include "core/volume/miss_list.hpp"
#include "core/volume/range_lock.hpp"
#include "core/volume/replica_io.hpp"
#include "core/volume/route_view.hpp"
#include "core/volume/view_cell.hpp"
#include "core/volume/write_intents.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace foreshift {

struct gateway_options {
  std::string host;                      ///< This host's name.
  std::chrono::milliseconds hold{30000}; ///< How long a request waits for a lease or a lost peer.
  std::chrono::milliseconds retry_pause{100};     ///< Between attempts at a lost peer.
  std::chrono::milliseconds drain_timeout{10000}; ///< For requests begun before a change to finish.
  std::uint32_t volume_slot = 0;                  ///< In access notes.
  suspect_board* suspects = nullptr; ///< Told of replicas that do not answer; outlives the gateway.
};

/// Where peers are and how to talk to them.
using peer_addresses = std::map<std::string, std::string>; ///< Host name -> NBD address.

/// A move to mirror writes for.
struct mirror_order {
  std::uint64_t move = 0;
  std::string destination;
  std::vector<std::uint32_t> extents;
};

/// A volume's client at one host: the only writer while it is primary. The data path may be called
/// from any thread; control calls are one at a time (the plane service sees to that).
class gateway {
public:
  gateway(gateway_options options, volume_shape shape, std::shared_ptr<volume_extents> local,
          link_factory links, write_intents& intents, access_ring& log, const clock_source& clock);

  const volume_shape& shape() const { return shape_; }

  // -- data path: faults are `refused` (not the holder, or not any more), `timeout` (held too long,
  // or a replica did not come back), `no_space`, `corrupt`, `storage`
  // ------------------------------------

  result<void> read(std::uint32_t vci, std::uint64_t offset, std::span<std::byte> out);
  result<void> write(std::uint32_t vci, std::uint64_t offset, std::span<const std::byte> in);
  result<void> zero(std::uint32_t vci, std::uint64_t offset, std::uint64_t length);
  result<void> flush();

  /// A read, and a flush, for clients of an announced destination, carried out here by the primary:
  /// like any other, but neither noted nor counted as activity of this host's clients.
  result<void> look(std::uint64_t offset, std::span<std::byte> out);
  result<void> flush_for_others();

  // -- control
  // --------------------------------------------------------------------------------------

  LeaseState state() const;
  std::uint64_t epoch() const;
  std::shared_ptr<const route_view> view() const { return view_.current(); }

  /// Connects to every host of the map as (epoch, this host) and holds requests until `serve`.
  /// While this host is primary at an older epoch it goes on serving, and the standby waits beside
  /// it. `refused` for an epoch below the present one; `unreachable` names the host.
  result<void> standby(std::uint64_t epoch, const placement_map& placement,
                       const peer_addresses& peers);

  /// Whether `serve(epoch)` would switch.
  bool standing_by(std::uint64_t epoch) const;

  /// Whether `adopt` of that version would be taken: `refused` unless primary at `epoch`,
  /// `precondition` when a later version is in use.
  result<void> may_adopt(std::uint64_t epoch, std::uint64_t version) const;

  /// The standby of `epoch` becomes primary and held requests go on. Mirrors of older epochs end.
  /// All hosts of its map were promoted after the monotonic time `sealed_ns`.
  void serve(std::uint64_t epoch, std::int64_t sealed_ns = never_heard_ns);

  /// From durable state after a restart: primary, draining or standby again, without connecting
  /// anywhere first. True if requests are held until `recover` has succeeded.
  bool resume(LeaseState state, std::uint64_t epoch, const placement_map& placement,
              const peer_addresses& peers, const std::vector<mirror_order>& mirrors = {});

  /// Makes the replicas of writes that a former process left unfinished equal, then serves (I4).
  result<void> recover();

  /// Holds new requests, waits for those begun, makes replicas of torn writes equal and flushes.
  /// `refused` unless primary or draining at `epoch`.
  result<void> drain(std::uint64_t epoch);

  /// The same, but only if clients have nothing in flight and have asked for nothing for `quiet`;
  /// else `busy`, and this host serves on as if it had not been asked.
  result<void> yield(std::uint64_t epoch, std::chrono::milliseconds quiet);

  /// Until `until_ns` this is an announced destination of a volume that opted in to the implicit
  /// flip: `holder` reads for clients here, and their first write wishes for the lease. An empty
  /// holder: nobody reads. See early_clients.
  void expect_clients(std::int64_t until_ns, const std::string& holder,
                      const peer_addresses& peers);
  void expect_no_clients() { early_.expect(0, nullptr); }

  /// Of the last `serve`: how long a client's write had waited for the lease, microseconds.
  std::uint64_t waited_us() const { return waited_us_.load(); }

  /// `drain` if that needs no waiting at all; else false, and `drain` has to finish it.
  bool drain_if_idle(std::uint64_t epoch);

  /// Requests fail from now on; nothing is waited for. A later epoch than `epoch` stays.
  void release(std::uint64_t epoch);

  /// Routes by `placement`; returns once no request uses the former map. Writes to `settle` finish
  /// before the first read by the new map begins.
  result<void> adopt(std::uint64_t epoch, const placement_map& placement,
                     const peer_addresses& peers, std::span<const std::uint32_t> settle);

  /// Writes of the order's extents also go to its destination; returns after the barrier.
  result<void> mirror_on(std::uint64_t epoch, const mirror_order& order,
                         const peer_addresses& peers);
  result<void> mirror_off(std::uint64_t move);

  /// Copies an extent from its nearest replica to the others, as the standby of `epoch` that has
  /// been promoted everywhere but does not serve yet: after a takeover without a drain.
  result<void> equalise(std::uint64_t epoch, std::uint32_t extent);

  /// Holds writes of `extents` as long as the guard lives.
  range_lock::guard lock_extents(std::span<const std::uint32_t> extents);

  /// Makes the replicas of a range equal, with writes to it held.
  result<void> repair(std::uint64_t offset, std::uint64_t length);

  /// Asks replicas under suspicion whether they answer again, except those of `away`; adds those
  /// that still do not.
  void ask_suspects(std::set<std::string>& away);

  /// Reads every replica of an extent and rewrites what is corrupt from a good copy, with writes to
  /// it held. `corrupt` when something has no good copy.
  result<void> mend_extent(std::uint32_t extent, replica_io::mending& notes);

  std::uint64_t repaired() const { return repaired_.load(std::memory_order_relaxed); }
  std::uint64_t lost() const { return lost_.count(); }

  /// Ranges that failed on some replica since they were last equal.
  std::size_t torn() const { return torn_count_.load(); }
  result<void> repair_torn();

  const io_counters& counters() const { return counters_; }
  std::uint64_t reads_local() const { return reads_local_.load(std::memory_order_relaxed); }
  std::uint64_t reads_remote() const { return reads_remote_.load(std::memory_order_relaxed); }
  std::uint32_t held() const { return gate_.waiting(); }
  /// Extents that clients read from other hosts of late, the latest first.
  std::vector<std::uint32_t> missed() const { return misses_.recent(clock_.monotonic_ns()); }

  /// Held requests look at the clock again.
  void recheck_held() { gate_.wake(); }

private:
  using pin = view_cell<route_view>::pin;

  /// One attempt's outcome and whether another one may help.
  struct attempt {
    result<void> done;
    bool again = false;
  };

  result<pin> enter(std::int64_t deadline_ns, bool may_wish = false);
  bool wish_granted(std::int64_t deadline_ns);
  std::optional<result<void>> at_primary(std::int64_t deadline_ns,
                                         const std::function<result<void>(peer_link&)>& ask);
  result<void> read_here(std::int64_t deadline_ns, std::uint64_t offset, std::span<std::byte> out,
                         bool& local);
  result<void> flush_here(std::int64_t deadline_ns);
  result<void> run(std::int64_t deadline_ns, const std::function<attempt()>& once);
  attempt judge(std::uint64_t epoch, result<void> done, bool replicated);
  attempt read_settled(std::int64_t deadline_ns, std::uint64_t offset, std::span<std::byte> out);
  result<void> change(std::int64_t deadline_ns, std::uint64_t offset, std::uint64_t length,
                      const std::byte* in, bool& local);
  result<void> finish(access_op op, std::uint32_t vci, std::uint64_t offset, std::uint64_t length,
                      std::int64_t began_ns, bool local, result<void> done);
  result<void> write_mending(const replica_io& to, std::uint64_t offset, std::uint64_t length,
                             const std::byte* in);
  void note(const replica_io::mending& notes);
  void fenced(std::uint64_t epoch, const fault& why);
  bool unsettled(std::uint64_t offset, std::uint64_t length) const;
  void keep_torn(std::uint32_t slot);
  void drop_torn();
  fault not_primary(std::uint64_t epoch) const;
  result<void> repair_noted(const route_view& view);

  std::uint64_t install(route_view next);
  struct draining {
    std::shared_ptr<const route_view> view;
    std::uint64_t generation;
  };
  std::optional<draining> begin_drain(std::uint64_t epoch);
  result<void> wait_older(std::uint64_t generation);
  replica_io io(const route_view& view) const { return {view, local_.get(), health_}; }
  route_view make_view(LeaseState state, std::uint64_t epoch,
                       std::shared_ptr<const placement_map> placement);
  host_route route_to(const std::string& host, std::uint64_t epoch, std::uint64_t move);
  std::int64_t deadline(std::int64_t began_ns) const;

  const gateway_options options_;
  const volume_shape shape_;
  const std::shared_ptr<volume_extents> local_;
  const link_factory links_;
  write_intents& intents_;
  access_ring& log_;
  const clock_source& clock_;
  const std::shared_ptr<const home_table> homes_;
  const replica_health health_;

  view_cell<route_view> view_;
  range_lock writes_;
  hold_gate gate_;
  client_activity activity_;
  early_clients early_;
  std::atomic<std::uint64_t> waited_us_{0};

  mutable std::mutex control_; ///< Guards everything below and the order of installs.
  std::shared_ptr<const route_view> standby_; ///< Waits beside a primary of an older epoch.
  peer_addresses peers_;
  std::map<link_target, std::shared_ptr<peer_link>> open_links_;
  std::map<std::string, std::shared_ptr<flush_mark>> marks_;

  std::mutex torn_mutex_;
  std::vector<std::uint32_t> torn_; ///< Intent slots.
  std::atomic<std::size_t> torn_count_{0};

  lost_blocks lost_;
  std::atomic<std::uint64_t> repaired_{0};

  io_counters counters_;
  std::atomic<std::uint64_t> reads_local_{0};
  std::atomic<std::uint64_t> reads_remote_{0};
  miss_list misses_;
};

/// Ranges of extents, adjacent ones joined.
std::vector<byte_range> extent_ranges(const volume_shape& shape,
                                      std::span<const std::uint32_t> extents);

} // namespace foreshift
