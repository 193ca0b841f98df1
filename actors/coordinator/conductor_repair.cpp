// SPDX-License-Identifier: Apache-2.0
// The conductor's part in repair: leaving hosts out, bringing their replicas back or elsewhere.
#include "actors/coordinator/conductor.hpp"
#include "core/base/log.hpp"
#include "core/lease/loss_machine.hpp"
#include "core/lease/requests.hpp"
#include "core/volume/roaring_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto ask_timeout = 5s;

} // namespace

/// What the host takes part in would only wait for it, and retirements for the primary, which holds
/// its writes: they are stopped, to be taken up again later.
caf::result<finish_ptr> conductor_state::lose(const loss_order& x) {
  if (!volumes_.contains(x.volume))
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", x.volume)});
  if (flipping(x.volume))
    return to_caf(fault{errc::busy, "the lease is changing hands"});
  auto reply = self_->make_response_promise<finish_ptr>();
  lose_replica(x, [reply](finish_ptr how) mutable { reply.deliver(how); });
  return reply;
}

void conductor_state::lose_replica(const loss_order& x, std::function<void(finish_ptr)> then) {
  cancel_runs(x.volume, [&](const run& y) {
    return y.kind == run_kind::retire || y.kind == run_kind::sweep
           || (y.kind == run_kind::move && (y.from == x.host || y.to == x.host));
  });
  run made;
  made.kind = run_kind::loss;
  made.volume = x.volume;
  made.from = x.host;
  made.then = std::move(then);
  lease::loss_request request{x.volume, x.host, x.epoch, x.doubt};
  launch(open_run(std::move(made), std::make_unique<lease::loss_machine>(std::move(request))));
}

/// A host that restarted gives up what another host in reach has too, and goes on with the rest.
void conductor_state::settle_doubt(const std::string& host, schema::PlaneVolume::Reader row) {
  auto& volume = *volumes_.at(row.getId());
  if (!lease::others_have(volume.facts.placement, host, places()))
    return;
  bool running = std::any_of(runs_.begin(), runs_.end(), [&](auto& x) {
    return x.second.kind == run_kind::loss && x.second.volume == volume.id();
  });
  if (running || longer_doubted(volume, host, row.getDoubt()))
    return;
  lose_replica({volume.id(), host, 0, row.getDoubt()},
               [host, name = volume.name()](const finish_ptr& how) {
                 if (how->why)
                   slog::info("host {} doubts its replica of volume {} still: {}", host, name,
                              to_string(*how->why));
               });
}

/// Whether another host's turn is first; see lease::map_machine::leave_out_shared.
bool conductor_state::longer_doubted(const volume_entry& volume, const std::string& than,
                                     std::uint64_t doubt) const {
  auto around = places();
  return std::any_of(hosts_.begin(), hosts_.end(), [&](auto& x) {
    schema::PlaneVolume::Reader row;
    return x.first != than && x.second->up && find_volume(*x.second, volume.id(), row)
           && row.getDoubt() != 0 && row.getDoubt() < doubt
           && lease::others_have(volume.facts.placement, x.first, around);
  });
}

lease::replica_hosts conductor_state::places() const {
  lease::replica_hosts out;
  for (auto& [host, entry] : hosts_) {
    auto& place = out[host];
    place.zone = entry->address.zone;
    place.up = entry->up;
    place.draining = entry->draining;
    place.free_bytes = entry->report.read().getPlane().getDisk().getFreeBytes();
  }
  return out;
}

void conductor_state::answer_with_move(finish_promise reply, const move_order& x) {
  auto ok = start_move(x, [reply](finish_ptr how) mutable { reply.deliver(std::move(how)); });
  if (!ok)
    reply.deliver(to_caf(ok.error()));
}

/// What changed meanwhile decides how the batches are cut; the move itself asks again.
caf::result<finish_ptr> conductor_state::bring_back(const return_order& x) {
  auto at = volumes_.find(x.volume);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", x.volume)});
  auto volume = at->second;
  auto& map = volume->facts.placement;
  auto lost = map.lost().find(x.host);
  if (lost == map.lost().end())
    return to_caf(fault{errc::precondition, fmt::format("host {} has lost nothing", x.host)});
  auto reply = self_->make_response_promise<finish_ptr>();
  using notes = std::map<std::string, std::optional<roaring::Roaring>>;
  auto heard = std::make_shared<notes>();
  auto hosts = map.hosts_in_sync();
  auto missing = std::make_shared<std::size_t>(hosts.size());
  auto one_less = [this, x, volume, reply, heard, missing]() mutable {
    if (--*missing > 0)
      return;
    auto& now = volume->facts.placement;
    auto changed = lease::changed_of(now, now.lost().find(x.host)->second.extents, *heard);
    auto batch = lease::next_return(now, x.host, changed, places());
    if (!batch) {
      reply.deliver(
          to_caf(fault{errc::unreachable, fmt::format("no host has what {} needs back", x.host)}));
      return;
    }
    answer_with_move(reply,
                     {x.volume, batch->source, batch->destination, batch->extents, false, true});
  };
  for (auto& host : hosts)
    self_
        ->request(
            around_.membership, ask_timeout + 1s,
            relay{host, sealed{lease::changed_get(x.volume, lost->second.since)}, ask_timeout})
        .then(
            [heard, host, volume, one_less](const sealed& got) mutable {
              (*heard)[host] = lease::decode_changed(*got, volume->facts.shape());
              one_less();
            },
            [one_less](const caf::error&) mutable { one_less(); });
  return reply;
}

caf::result<finish_ptr> conductor_state::relocate(const relocate_order& x) {
  auto at = volumes_.find(x.volume);
  if (at == volumes_.end())
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", x.volume)});
  auto& map = at->second->facts.placement;
  auto first = lease::next_elsewhere(map, x.extents, x.host, x.extents, places());
  if (!first)
    return to_caf(first.error());
  auto reply = self_->make_response_promise<finish_ptr>();
  // Extents without data cost nothing to move: many of them fit into one batch.
  relay question{first->source, sealed{lease::inventory_get(x.volume)}, ask_timeout};
  self_->request(around_.membership, ask_timeout + 1s, std::move(question))
      .then(
          [this, x, reply, source = first->source](const sealed& got) mutable {
            auto busy = x.extents;
            if (auto told = door::unwrap<schema::PlaneInventory>(*got)) {
              auto bytes = told->read().getPresent();
              if (auto present = decode_roaring({bytes.begin(), bytes.size()},
                                                std::numeric_limits<std::uint32_t>::max()))
                busy = *std::move(present);
            }
            move_elsewhere(reply, x, source, busy);
          },
          [reply](const caf::error& why) mutable { reply.deliver(why); });
  return reply;
}

caf::result<finish_ptr> conductor_state::sweep_now(const sweep_order& x) {
  if (!volumes_.contains(x.volume))
    return to_caf(fault{errc::not_found, fmt::format("no volume with id {}", x.volume)});
  if (flipping(x.volume))
    return to_caf(fault{errc::busy, "the lease is changing hands"});
  auto reply = self_->make_response_promise<finish_ptr>();
  launch_sweep(x.host, x.volume, [reply](finish_ptr how) mutable { reply.deliver(how); });
  return reply;
}

void conductor_state::move_elsewhere(finish_promise reply, const relocate_order& x,
                                     const std::string& source, const roaring::Roaring& busy) {
  auto at = volumes_.find(x.volume);
  auto batch =
      at == volumes_.end()
          ? result<lease::repair_batch>{fault{errc::not_found, "the volume is gone"}}
          : lease::next_elsewhere(at->second->facts.placement, x.extents, x.host, busy, places());
  if (batch && batch->source != source)
    batch = fault{errc::busy, "the placement changed meanwhile"};
  if (!batch) {
    reply.deliver(to_caf(batch.error()));
    return;
  }
  answer_with_move(reply,
                   {x.volume, batch->source, batch->destination, batch->extents, false, false});
}

} // namespace foreshift::control
