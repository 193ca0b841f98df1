// SPDX-License-Identifier: Apache-2.0
#include "core/volume/plane_service.hpp"

#include "core/base/log.hpp"

#include <unistd.h>

#ifndef FORESHIFT_VERSION
#define FORESHIFT_VERSION "0.1.0"
#endif

namespace foreshift {

namespace {

constexpr std::uint32_t slow_threads = 4;
constexpr std::uint32_t quick_threads = 6;
constexpr std::uint32_t copy_threads = 4;

} // namespace

std::vector<std::uint32_t> extents_of(capnp::List<std::uint32_t>::Reader in) {
  std::vector<std::uint32_t> out;
  out.reserve(in.size());
  for (auto extent : in)
    out.push_back(extent);
  return out;
}

plane_service::plane_service(plane& host)
    : plane_(host), helpers_(copy_threads, worker_pool::importance::background),
      copying_(copy_threads, worker_pool::importance::background), slow_(slow_threads),
      quick_(quick_threads) {
  routes();
}

template <class Request, class Reply>
void plane_service::on(worker_pool& pool, bool peers,
                       answered<Reply> (plane_service::*run)(typename Request::Reader)) {
  auto serve = [this, run](const door::envelope& request) -> result<door::envelope> {
    auto in = packet<Request>::admit(request.payload);
    if (!in)
      return in.error();
    auto out = (this->*run)(in->read());
    if (!out)
      return out.error();
    return door::wrap(*out);
  };
  routes_[packet<Request>::type_id] = {&pool, peers, serve};
}

void plane_service::routes() {
  using self = plane_service;
  on<schema::Ping>(quick_, true, &self::ping);
  on<schema::PlaneDrain>(quick_, true, &self::drain);
  on<schema::PlanePromote>(quick_, true, &self::promote);
  on<schema::PlaneDigest>(quick_, true, &self::digest);
  on<schema::PlaneTakeover>(quick_, false, &self::takeover);
  on<schema::PlaneStatusGet>(quick_, false, &self::status);
  on<schema::PlaneLogGet>(quick_, false, &self::log);
  on<schema::PlaneInventoryGet>(quick_, false, &self::inventory);
  on<schema::PlanePrepare>(quick_, false, &self::prepare);
  on<schema::PlaneRelease>(quick_, false, &self::release);
  on<schema::PlaneConfigure>(slow_, false, &self::configure);
  on<schema::PlaneForget>(slow_, false, &self::forget);
  on<schema::PlaneStandby>(slow_, false, &self::standby);
  on<schema::PlaneAdopt>(slow_, false, &self::adopt);
  on<schema::PlaneStage>(slow_, false, &self::stage);
  on<schema::PlaneMirror>(slow_, false, &self::mirror);
  on<schema::PlanePull>(copying_, false, &self::pull);
  on<schema::PlaneVerify>(slow_, false, &self::verify);
  on<schema::PlaneCommit>(slow_, false, &self::commit);
  on<schema::PlaneAbort>(slow_, false, &self::abort);
  on<schema::PlaneRetire>(slow_, false, &self::retire);
  on<schema::PlaneWatch>(quick_, false, &self::watch);
  on<schema::PlaneUnwatch>(quick_, false, &self::unwatch);
  on<schema::PlaneChangedGet>(quick_, false, &self::changed);
  on<schema::PlaneBlockHashes>(copying_, true, &self::block_hashes);
  on<schema::PlaneScrub>(quick_, false, &self::scrub);
  on<schema::PlaneRepair>(slow_, true, &self::repair);
  on<schema::PlaneReopen>(slow_, false, &self::reopen);
  on<schema::PlaneTrust>(slow_, false, &self::trust);
}

void plane_service::handle(plane_door through, door::envelope request, const door::peer& from,
                           door::answer reply) {
  if (through == plane_door::agent && suspects_wait(request, reply))
    return;
  auto found = routes_.find(request.type);
  if (found == routes_.end())
    return reply(fault{errc::malformed, "a data plane does not know this request"});
  bool peer_role = from.role == "local" || from.role == "agent" || from.role == "plane";
  if (through == plane_door::peer && (!found->second.peers || !peer_role))
    return reply(fault{errc::refused,
                       "role '" + from.role + "' may not ask this of another host's data plane"});
  if (request.type == packet<schema::PlaneDrain>::type_id && drained_at_once(request))
    return reply(door::wrap(packet<schema::Done>{}));
  auto* target = &found->second;
  target->pool->add([target, request = std::move(request), reply = std::move(reply)] {
    auto out = target->run(request);
    reply(std::move(out));
  });
}

plane_service::answered<schema::Pong> plane_service::ping(schema::Ping::Reader) {
  return packet<schema::Pong>::make([&](auto out) {
    out.setRole("plane");
    out.setName(plane_.options().host);
    out.setVersion(FORESHIFT_VERSION);
    out.setPid(static_cast<std::uint32_t>(::getpid()));
  });
}

plane_service::acknowledged plane_service::configure(schema::PlaneConfigure::Reader in) {
  plane_.learn(in.getPeers());
  if (auto made = plane_.configure(in.getSpec()); !made)
    return made.error();
  if (in.getExpectMs() > 0)
    expect(in);
  return packet<schema::Done>{};
}

void plane_service::expect(schema::PlaneConfigure::Reader in) {
  auto volume = plane_.find(in.getSpec().getId());
  if (!volume)
    return;
  auto until = plane_.clock().monotonic_ns() + std::int64_t{in.getExpectMs()} * 1'000'000;
  (*volume)->expected_until_ns = until;
  if (in.getImplicit())
    (*volume)->gate->expect_clients(until, in.getHolder().cStr(), plane_.nbd_addresses());
  else
    (*volume)->gate->expect_no_clients();
}

plane_service::acknowledged plane_service::forget(schema::PlaneForget::Reader in) {
  if (auto gone = plane_.forget(in.getVolume()); !gone)
    return gone.error();
  return packet<schema::Done>{};
}

} // namespace foreshift
