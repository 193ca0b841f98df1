// SPDX-License-Identifier: Apache-2.0
// The mender's patients: hosts that volumes left out, until they are back or replaced.
#include "actors/coordinator/mender.hpp"

#include "core/base/units.hpp"
#include "core/lease/repair.hpp"
#include "core/lease/requests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto batch_timeout = 15min;
constexpr auto tell_timeout = 3s;

constexpr std::int64_t second_ns = 1'000'000'000;
/// A host that has just failed is left alone for a moment, each time for longer.
constexpr std::int64_t settle_ns = 2 * second_ns;
constexpr std::int64_t settle_max_ns = 300 * second_ns;
constexpr std::int64_t losses_forgotten_ns = 3600 * second_ns;
constexpr std::int64_t pause_max_ns = 30 * second_ns;

} // namespace

bool mender_state::is_up(const std::string& host) const {
  auto at = hosts_.find(host);
  return at != hosts_.end() && at->second->up && at->second->report.read().getPlane().getPid() != 0;
}

/// Keeps `away_` as the map says.
void mender_state::changed(const volume_ptr& now) {
  auto id = now->id();
  auto& lost = now->facts.placement.lost();
  auto missing = [&](const std::string& host) {
    auto at = lost.find(host);
    return !now->erased && at != lost.end() && !at->second.extents.isEmpty();
  };
  for (auto at = away_.lower_bound({id, ""}); at != away_.end() && at->first.first == id;) {
    if (missing(at->first.second)) {
      at++->second.over = false;
      continue;
    }
    if (busy_.contains(id) && !now->erased) {
      at++->second.over = true;
      continue;
    }
    if (!now->erased)
      close(*now, at->first.second, at->second);
    at = away_.erase(at);
  }
  if (now->erased) {
    volumes_.erase(id);
    std::erase_if(waits_, [&](auto& x) { return x.first.first == id; });
    std::erase_if(losses_, [&](auto& x) { return x.first.first == id; });
    return;
  }
  volumes_[id] = now;
  auto at_ns = clock_.monotonic_ns();
  for (auto& [host, x] : lost) {
    place here{id, host};
    if (!missing(host) || away_.contains(here))
      continue;
    auto& [count, last_ns] = losses_[here];
    if (at_ns - last_ns > losses_forgotten_ns)
      count = 0;
    last_ns = at_ns;
    auto rest = std::min(settle_max_ns, settle_ns << std::min(count++, 8));
    away_[here] = {x.since, at_ns, at_ns + rest, second_ns, 0, 0, false};
  }
}

/// Nothing is missing at the host any more: the others need not watch for it.
void mender_state::close(const volume_entry& volume, const std::string& host, const absence& x) {
  auto& lost = volume.facts.placement.lost();
  bool needed = std::any_of(lost.begin(), lost.end(), [&](auto& away) {
    return away.second.since == x.since && !away.second.extents.isEmpty();
  });
  if (!needed)
    for (auto& [other, entry] : hosts_)
      if (entry->up)
        self_
            ->request(around_.membership, tell_timeout + 1s,
                      relay{other, sealed{lease::unwatch(volume.id(), x.since)}, tell_timeout})
            .then([](const sealed&) {}, [](const caf::error&) {});
  auto text = x.replaced > 0
                  ? fmt::format("{} is no longer needed: {} extents were made anew elsewhere", host,
                                x.replaced)
                  : fmt::format("replica {} is back, {} copied", host, format_bytes(x.bytes));
  self_->send(around_.events, event_note{"info", "volume " + volume.name(), std::move(text)});
}

void mender_state::mend() {
  for (auto& [id, volume] : std::map{volumes_})
    if (!busy_.contains(id) && volume->facts.lease.prepared.id == 0)
      (void)mend(*volume);
}

bool mender_state::mend(const volume_entry& volume) {
  for (auto& [host, lost] : volume.facts.placement.lost()) {
    auto at = away_.find({volume.id(), host});
    if (at != away_.end() && mend(volume, host, at->second))
      return true;
  }
  return false;
}

/// One step for one lost host; false: nothing to do for it now.
bool mender_state::mend(const volume_entry& volume, const std::string& host, absence& x) {
  auto& map = volume.facts.placement;
  const auto& missing = map.lost().find(host)->second.extents;
  if (auto spare = lease::to_vector(lease::spare_at(map, host, missing)); !spare.empty()) {
    spare.resize(std::min(spare.size(), lease::batch_extents_max));
    order(retire_order{volume.id(), host, std::move(spare)}, host);
    return true;
  }
  auto now = clock_.monotonic_ns();
  if (now < x.next_ns)
    return false;
  if (is_up(host)) {
    order(return_order{volume.id(), host}, host);
    return true;
  }
  if (now - x.began_ns < std::chrono::nanoseconds{rules_.grace}.count())
    return false;
  order(relocate_order{volume.id(), host, missing}, host);
  return true;
}

template <class Order>
void mender_state::order(Order what, std::string host) {
  auto volume = what.volume;
  constexpr bool returning = std::is_same_v<Order, return_order>;
  constexpr bool relocating = std::is_same_v<Order, relocate_order>;
  auto before = relocating ? volumes_.at(volume)->facts.placement.degraded().cardinality() : 0;
  busy_.insert(volume);
  self_->request(around_.conductor, batch_timeout, std::move(what))
      .then(
          [this, volume, host, before](const finish_ptr& how) {
            auto at = volumes_.find(volume);
            auto left = at == volumes_.end() ? before
                                             : at->second->facts.placement.degraded().cardinality();
            batch_over(volume, host, *how, returning, before > left ? before - left : 0);
          },
          [this, volume, host](const caf::error& why) {
            lease::finish failed;
            failed.why = to_fault(why);
            batch_over(volume, host, failed, returning, 0);
          });
}

void mender_state::batch_over(std::uint64_t volume, const std::string& host,
                              const lease::finish& how, bool returning, std::uint64_t extents) {
  busy_.erase(volume);
  auto known = volumes_.find(volume);
  if (auto at = away_.find({volume, host}); at != away_.end()) {
    auto& x = at->second;
    if (returning)
      x.bytes += how.bytes;
    x.replaced += extents;
    if (how.why) {
      x.next_ns = clock_.monotonic_ns() + x.pause_ns;
      x.pause_ns = std::min(2 * x.pause_ns, pause_max_ns);
    } else {
      x.pause_ns = second_ns;
    }
    if (x.over && known != volumes_.end()) {
      close(*known->second, host, x);
      away_.erase(at);
    }
  }
  if (!how.why && known != volumes_.end() && known->second->facts.lease.prepared.id == 0)
    (void)mend(*known->second);
}

} // namespace foreshift::control
