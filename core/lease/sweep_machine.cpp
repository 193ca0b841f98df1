// SPDX-License-Identifier: Apache-2.0
#include "core/lease/sweep_machine.hpp"

#include "core/lease/replicas.hpp"
#include "core/lease/requests.hpp"
#include "core/volume/roaring_codec.hpp"
#include "schemas/plane.capnp.h"

#include <algorithm>

namespace foreshift::lease {

namespace {

finish ended(std::optional<fault> why) {
  finish end;
  end.why = std::move(why);
  return end;
}

} // namespace

roaring::Roaring wanted_at(const volume_facts& facts, const std::string& host) {
  auto& map = facts.placement;
  auto out = map.in_sync(host);
  if (auto lost = map.lost().find(host); lost != map.lost().end())
    out |= lost->second.extents;
  for (auto& [hosts, extents] : map.retiring())
    if (std::binary_search(hosts.begin(), hosts.end(), host))
      out |= extents;
  for (auto& [id, move] : facts.moves)
    if (move.record.destination == host)
      out |= roaring::Roaring{move.record.extents.size(), move.record.extents.data()};
  return out;
}

script<finish> sweep_machine::run() {
  auto entered = co_await read(load_kind::enter);
  if (!entered)
    co_return ended(entered.error());
  auto inquiry = inventory_get(request_.volume);
  auto told = co_await ask_cancelable(request_.host, std::move(inquiry), send_timeout);
  auto inventory = as<schema::PlaneInventory>(told);
  if (!inventory)
    co_return ended(inventory.error());
  auto bytes = inventory->read().getPresent();
  auto present = decode_roaring({bytes.begin(), bytes.size()}, entered->shape().extents() - 1);
  if (!present)
    co_return ended(present.error());
  auto facts = co_await read(load_kind::look);
  if (!facts)
    co_return ended(facts.error());
  if (canceled())
    co_return ended(fault{errc::canceled, "canceled"});
  auto orphans = to_vector(*present - wanted_at(*facts, request_.host));
  if (orphans.empty())
    co_return ended(std::nullopt);
  auto freed = co_await ask(
      request_.host, retire(request_.volume, facts->placement.version(), orphans), send_timeout);
  if (!freed)
    co_return ended(freed.error());
  auto end = ended(std::nullopt);
  end.bytes = orphans.size() * std::uint64_t{facts->shape().extent_bytes};
  co_return end;
}

} // namespace foreshift::lease
