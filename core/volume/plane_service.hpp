// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"
#include "core/door/door.hpp"
#include "core/volume/plane.hpp"
#include "core/volume/pull.hpp"
#include "core/volume/worker_pool.hpp"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace foreshift {

/// Which door a request came through.
enum class plane_door {
  agent, ///< This host's agent: every verb.
  peer,  ///< Other planes: PlaneDrain, PlanePromote, PlaneDigest, PlaneBlockHashes, Ping.
};

/// Answers the verbs of schemas/plane.capnp. Requests run on worker threads: those on the path of a
/// flip and quick ones on a pool of their own, copies on another one in the background, so that
/// they delay neither those nor guests. Draining an idle
/// volume is so quick that it is done on the caller's thread.
class plane_service {
public:
  explicit plane_service(plane& host);

  /// Answers once, mostly from a worker. Any thread; does not block.
  void handle(plane_door through, door::envelope request, const door::peer& from,
              door::answer reply);

private:
  template <class Reply>
  using answered = result<packet<Reply>>;
  using acknowledged = result<packet<schema::Done>>;

  struct route {
    worker_pool* pool = nullptr;
    bool peers = false;
    std::function<result<door::envelope>(const door::envelope&)> run;
  };

  template <class Request, class Reply>
  void on(worker_pool& pool, bool peers,
          answered<Reply> (plane_service::*run)(typename Request::Reader));
  void routes();

  // plane_service.cpp
  answered<schema::Pong> ping(schema::Ping::Reader in);
  acknowledged configure(schema::PlaneConfigure::Reader in);
  acknowledged forget(schema::PlaneForget::Reader in);
  void expect(schema::PlaneConfigure::Reader in);

  // plane_lease.cpp
  acknowledged prepare(schema::PlanePrepare::Reader in);
  acknowledged standby(schema::PlaneStandby::Reader in);
  answered<schema::FlipTimes> takeover(schema::PlaneTakeover::Reader in);
  acknowledged drain(schema::PlaneDrain::Reader in);
  bool drained_at_once(const door::envelope& request);
  result<void> note_draining(plane_volume& volume, std::uint64_t epoch);
  answered<schema::PlanePromoted> promote(schema::PlanePromote::Reader in);
  acknowledged release(schema::PlaneRelease::Reader in);
  result<void> drain_source(plane_volume& volume, schema::PlaneTakeover::Reader in);
  result<void> promote_all(plane_volume& volume, schema::PlaneTakeover::Reader in);
  result<void> greet(const std::vector<std::string>& hosts);

  // plane_reconcile.cpp
  result<void> settle_unclean(plane_volume& volume, schema::PlaneTakeover::Reader in,
                              std::int64_t promoted_ns);
  result<void> reconcile(plane_volume& volume, const placement_map& placement, std::uint64_t epoch,
                         std::chrono::milliseconds timeout);
  result<std::vector<std::uint64_t>> digests_at(const std::string& host, plane_volume& volume,
                                                const std::vector<std::uint32_t>& extents,
                                                std::chrono::milliseconds timeout);

  // plane_move.cpp
  acknowledged adopt(schema::PlaneAdopt::Reader in);
  acknowledged stage(schema::PlaneStage::Reader in);
  acknowledged mirror(schema::PlaneMirror::Reader in);
  answered<schema::PlanePulled> pull(schema::PlanePull::Reader in);
  acknowledged verify(schema::PlaneVerify::Reader in);
  answered<schema::PlaneDigests> digest(schema::PlaneDigest::Reader in);
  acknowledged commit(schema::PlaneCommit::Reader in);
  acknowledged abort(schema::PlaneAbort::Reader in);
  acknowledged retire(schema::PlaneRetire::Reader in);
  result<void> fence_mirror(plane_volume& volume, std::uint64_t epoch,
                            const std::string& destination);

  // plane_resync.cpp
  acknowledged watch(schema::PlaneWatch::Reader in);
  acknowledged unwatch(schema::PlaneUnwatch::Reader in);
  answered<schema::PlaneChanged> changed(schema::PlaneChangedGet::Reader in);
  answered<schema::PlaneBlocks> block_hashes(schema::PlaneBlockHashes::Reader in);
  bool suspects_wait(const door::envelope& request, door::answer& reply);
  std::vector<std::uint32_t> nonzero(const std::string& source, plane_volume& volume,
                                     const std::vector<std::uint32_t>& extents);
  result<std::vector<pull_range>> compare(const std::string& source, plane_volume& volume,
                                          schema::PlanePull::Reader in);
  result<void> compare_blocks(const std::string& source, plane_volume& volume, std::uint64_t move,
                              std::span<const std::uint32_t> extents, std::vector<pull_range>& out);
  // plane_repair.cpp
  acknowledged scrub(schema::PlaneScrub::Reader in);
  answered<schema::PlaneRepaired> repair(schema::PlaneRepair::Reader in);
  acknowledged reopen(schema::PlaneReopen::Reader in);
  acknowledged trust(schema::PlaneTrust::Reader in);

  // plane_status.cpp
  answered<schema::PlaneStatus> status(schema::PlaneStatusGet::Reader in);
  answered<schema::PlaneLog> log(schema::PlaneLogGet::Reader in);
  answered<schema::PlaneInventory> inventory(schema::PlaneInventoryGet::Reader in);

  plane& plane_;
  std::map<std::uint64_t, route> routes_;
  // Last, so that their threads end before what they use; helpers outlive those they help.
  worker_pool helpers_;
  worker_pool copying_;
  worker_pool slow_;
  worker_pool quick_;
};

/// What the host's scrubber does.
void fill_scrub(plane& host, schema::ScrubState::Builder out);

/// Copies a list of extents out of a message.
std::vector<std::uint32_t> extents_of(capnp::List<std::uint32_t>::Reader in);

} // namespace foreshift
