// SPDX-License-Identifier: Apache-2.0
// What a stranger sends to a door: a frame with an envelope (even first byte), or at once the
// payload of one of all verbs (odd; the second byte picks it). A frame that the guard lets through
// is read, and whatever is admitted is readable to its last field and travels on as the same
// packet.
#include "core/codec/json.hpp"
#include "core/door/door.hpp"
#include "core/door/envelope.hpp"
#include "core/door/frame_guard.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/api.capnp.h"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

#include <capnp/serialize.h>
#include <kj/exception.h>
#include <kj/io.h>

#include <vector>

using namespace foreshift;

namespace {

using handler = void (*)(const door::envelope&);
struct verb {
  std::uint64_t type;
  handler serve;
};

template <class Schema>
void serve(const door::envelope& request) {
  auto x = packet<Schema>::admit(request.payload);
  if (!x)
    return;
  FORESHIFT_ENSURE(!to_json(*x).empty());
  auto again = door::unwrap<Schema>(door::wrap(*x));
  FORESHIFT_ENSURE(again && *again == *x);
}

template <class... Schemas>
std::vector<verb> list() {
  return {{packet<Schemas>::type_id, &serve<Schemas>}...};
}

const std::vector<verb>& verbs() {
  using namespace schema;
  static const auto all =
      list<Ping, HostHello, HostReport, ForecastReport, ReplicasSuspected, HostExamine, AgentMove,
           AgentStatusGet, ForecastCarry, ForecastTake, PlaneConfigure, PlaneForget, PlanePrepare,
           PlaneStandby, PlaneTakeover, PlaneDrain, PlanePromote, PlaneRelease, PlaneAdopt,
           PlaneStage, PlaneMirror, PlanePull, PlaneVerify, PlaneDigest, PlaneCommit, PlaneAbort,
           PlaneRetire, PlaneStatusGet, PlaneLogGet, PlaneInventoryGet, PlaneWatch, PlaneUnwatch,
           PlaneChangedGet, PlaneBlockHashes, PlaneSuspectsWait, PlaneScrub, PlaneRepair,
           PlaneReopen, StatusGet, HostList, HostShow, HostOkToStop, HostDrain, HostUndrain,
           HostRemove, VolumeCreate, VolumeList, VolumeShow, VolumeDelete, VolumeAttach,
           VolumeDetach, AffinityGet, HotGet, PlanGet, MigrateStart, FlipStart, TaskList, TaskShow,
           TaskCancel, EventsGet, ScrubStart, CellExamine, LeaseWanted, VolumeSet>();
  return all;
}

void dispatch(const door::envelope& request) {
  if (auto why = door::as_fault(request))
    FORESHIFT_ENSURE(why->code != errc::ok);
  for (const auto& x : verbs())
    if (x.type == request.type)
      x.serve(request);
}

void receive(std::span<const std::byte> stream) {
  constexpr std::size_t bytes_max = 1u << 16;
  door::frame_guard guard{bytes_max};
  if (!guard.pass(stream) || guard.frames() == 0)
    return;
  kj::ArrayInputStream input{{reinterpret_cast<const kj::byte*>(stream.data()), stream.size()}};
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = bytes_max / 8;
  limits.nestingLimit = 32;
  (void)kj::runCatchingExceptions([&] {
    capnp::InputStreamMessageReader message{input, limits};
    auto request = door::read_envelope(message.getRoot<schema::Envelope>());
    if (door::check_size(request))
      dispatch(request);
  });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2)
    return 0;
  std::span bytes{reinterpret_cast<const std::byte*>(data), size};
  if (data[0] % 2 == 0) {
    receive(bytes.subspan(1));
  } else {
    auto payload = bytes.subspan(2);
    dispatch({verbs()[data[1] % verbs().size()].type, {payload.begin(), payload.end()}});
  }
  return 0;
}
