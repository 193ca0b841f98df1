// SPDX-License-Identifier: Apache-2.0
#include "core/lease/requests.hpp"

#include "core/lease/machine.hpp"
#include "core/volume/roaring_codec.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/plane.capnp.h"

#include <algorithm>

namespace foreshift::lease {

namespace {

template <class Schema, class Fill>
door::envelope build(Fill&& fill) {
  return door::wrap(packet<Schema>::make(std::forward<Fill>(fill)));
}

auto list(extents_view extents) {
  return kj::arrayPtr(extents.data(), extents.size());
}

template <class Builder>
void put_peers(const std::vector<host_address>& peers, Builder out) {
  auto rows = out.initPeers(static_cast<unsigned>(peers.size()));
  for (unsigned i = 0; i < peers.size(); ++i)
    encode(peers[i], rows[i]);
}

/// What a PlaneStatus reply says of one volume; nothing (0) if it does not name it, or is none.
template <class Ask>
auto of_row(const result<door::envelope>& status, std::uint64_t volume, Ask ask) {
  if (auto got = as<schema::PlaneStatus>(status))
    for (auto row : got->read().getVolumes())
      if (row.getId() == volume)
        return ask(row);
  return decltype(ask(schema::PlaneVolume::Reader{})){};
}

} // namespace

door::envelope configure(const volume_facts& facts, std::int64_t created_ms,
                         std::chrono::milliseconds expect, bool implicit) {
  return build<schema::PlaneConfigure>([&](auto out) {
    encode_shape(facts.shape(), out.initSpec());
    out.getSpec().setCreatedMs(created_ms);
    put_peers(facts.peers, out);
    out.setExpectMs(static_cast<std::uint32_t>(expect.count()));
    out.setImplicit(implicit);
    if (implicit)
      out.setHolder(facts.lease.holder.c_str());
  });
}

door::envelope forget(std::uint64_t volume) {
  return build<schema::PlaneForget>([&](auto out) { out.setVolume(volume); });
}

door::envelope prepare(const flip_intent& intent, std::uint64_t volume) {
  return build<schema::PlanePrepare>([&](auto out) {
    out.setVolume(volume);
    out.setEpoch(intent.epoch);
    out.setHolder(intent.to.c_str());
  });
}

door::envelope standby(const volume_facts& facts, std::uint64_t epoch) {
  return build<schema::PlaneStandby>([&](auto out) {
    out.setVolume(facts.shape().id);
    out.setEpoch(epoch);
    facts.placement.encode(out.initPlacement());
    put_peers(facts.peers, out);
  });
}

door::envelope takeover(const volume_facts& facts, const flip_intent& intent,
                        std::chrono::milliseconds timeout, bool forced,
                        std::chrono::milliseconds quiet) {
  return build<schema::PlaneTakeover>([&](auto out) {
    auto hosts = facts.placement.hosts_to_seal();
    out.setVolume(facts.shape().id);
    out.setEpoch(intent.epoch);
    out.setSource(intent.from.c_str());
    out.setSourceEpoch(facts.lease.held_epoch);
    auto seal = out.initSeal(static_cast<unsigned>(hosts.size()));
    for (unsigned i = 0; i < hosts.size(); ++i)
      seal.set(i, hosts[i].c_str());
    out.setTimeoutMs(static_cast<std::uint32_t>(timeout.count()));
    out.setForced(forced);
    out.setQuietMs(static_cast<std::uint32_t>(quiet.count()));
  });
}

door::envelope drain(std::uint64_t volume, std::uint64_t epoch) {
  return build<schema::PlaneDrain>([&](auto out) {
    out.setVolume(volume);
    out.setEpoch(epoch);
  });
}

door::envelope promote(std::uint64_t volume, std::uint64_t epoch, const std::string& holder) {
  return build<schema::PlanePromote>([&](auto out) {
    out.setVolume(volume);
    out.setEpoch(epoch);
    out.setHolder(holder.c_str());
  });
}

door::envelope release(std::uint64_t volume, std::uint64_t epoch) {
  return build<schema::PlaneRelease>([&](auto out) {
    out.setVolume(volume);
    out.setEpoch(epoch);
  });
}

door::envelope plane_status(std::uint64_t volume) {
  return build<schema::PlaneStatusGet>([&](auto out) { out.setVolume(volume); });
}

door::envelope adopt(const volume_facts& facts, extents_view settle) {
  return build<schema::PlaneAdopt>([&](auto out) {
    out.setVolume(facts.shape().id);
    out.setEpoch(facts.lease.held_epoch);
    facts.placement.encode(out.initPlacement());
    put_peers(facts.peers, out);
    out.setSettle(list(settle));
  });
}

door::envelope stage(const move_record& move) {
  return build<schema::PlaneStage>([&](auto out) {
    out.setVolume(move.volume);
    out.setMove(move.id);
    out.setExtents(list(move.extents));
    out.setResync(move.resync);
  });
}

door::envelope mirror(const volume_facts& facts, const move_record& move, bool on) {
  return build<schema::PlaneMirror>([&](auto out) {
    out.setVolume(move.volume);
    out.setEpoch(move.epoch);
    out.setMove(move.id);
    out.setDestination(move.destination.c_str());
    out.setExtents(list(move.extents));
    out.setOn(on);
    put_peers(facts.peers, out);
  });
}

door::envelope agent_move(const volume_facts& facts, const move_record& move,
                          std::uint64_t rate_bytes, const roaring::Roaring& changed) {
  return build<schema::AgentMove>([&](auto out) {
    out.setVolume(move.volume);
    out.setMove(move.id);
    auto at = std::find_if(facts.peers.begin(), facts.peers.end(),
                           [&](const host_address& x) { return x.name == move.source; });
    if (at != facts.peers.end())
      encode(*at, out.initSource());
    out.setExtents(list(move.extents));
    out.setRateBytes(rate_bytes);
    if (!move.resync)
      return;
    auto bytes = encode_roaring(changed);
    out.setChanged(kj::arrayPtr(bytes.data(), bytes.size()));
  });
}

door::envelope watch(std::uint64_t volume, std::uint64_t since) {
  return build<schema::PlaneWatch>([&](auto out) {
    out.setVolume(volume);
    out.setSince(since);
  });
}

door::envelope unwatch(std::uint64_t volume, std::uint64_t since) {
  return build<schema::PlaneUnwatch>([&](auto out) {
    out.setVolume(volume);
    out.setSince(since);
  });
}

door::envelope trust(std::uint64_t volume, std::uint64_t doubt) {
  return build<schema::PlaneTrust>([&](auto out) {
    out.setVolume(volume);
    out.setDoubt(doubt);
  });
}

door::envelope changed_get(std::uint64_t volume, std::uint64_t since) {
  return build<schema::PlaneChangedGet>([&](auto out) {
    out.setVolume(volume);
    out.setSince(since);
  });
}

door::envelope inventory_get(std::uint64_t volume) {
  return build<schema::PlaneInventoryGet>([&](auto out) { out.setVolume(volume); });
}

door::envelope verify(const move_record& move) {
  return build<schema::PlaneVerify>([&](auto out) {
    out.setVolume(move.volume);
    out.setEpoch(move.epoch);
    out.setSource(move.source.c_str());
    out.setDestination(move.destination.c_str());
    out.setExtents(list(move.extents));
  });
}

door::envelope digest(const move_record& move) {
  return build<schema::PlaneDigest>([&](auto out) {
    out.setVolume(move.volume);
    out.setExtents(list(move.extents));
  });
}

door::envelope commit_staged(const move_record& move) {
  return build<schema::PlaneCommit>([&](auto out) {
    out.setVolume(move.volume);
    out.setMove(move.id);
    out.setExtents(list(move.extents));
  });
}

door::envelope abort_staged(std::uint64_t volume, std::uint64_t move) {
  return build<schema::PlaneAbort>([&](auto out) {
    out.setVolume(volume);
    out.setMove(move);
  });
}

door::envelope retire(std::uint64_t volume, std::uint64_t version, extents_view extents) {
  return build<schema::PlaneRetire>([&](auto out) {
    out.setVolume(volume);
    out.setVersion(version);
    out.setExtents(list(extents));
  });
}

std::optional<roaring::Roaring> decode_changed(const result<door::envelope>& reply,
                                               const volume_shape& shape) {
  auto got = as<schema::PlaneChanged>(reply);
  if (!got || !got->read().getKnown())
    return std::nullopt;
  auto bytes = got->read().getExtents();
  auto noted = decode_roaring({bytes.begin(), bytes.size()}, shape.extents() - 1);
  return noted ? std::optional{*std::move(noted)} : std::nullopt;
}

bool doubts(const result<door::envelope>& status, std::uint64_t volume) {
  return of_row(status, volume,
                [](auto row) { return row.getDoubt() != 0 || row.getFailed().size() > 0; });
}

std::uint64_t doubt_of(const result<door::envelope>& status, std::uint64_t volume) {
  return of_row(status, volume, [](auto row) { return row.getDoubt(); });
}

bool says_primary(const result<door::envelope>& status, std::uint64_t volume, std::uint64_t epoch) {
  return of_row(status, volume, [epoch](auto row) {
    return row.getState() == schema::LeaseState::PRIMARY && row.getEpoch() == epoch;
  });
}

} // namespace foreshift::lease
