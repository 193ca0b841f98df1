// SPDX-License-Identifier: Apache-2.0
// Makes replicas equal: after a restart, a failed write or a takeover; and asks failed ones again.
#include "core/volume/gateway.hpp"

#include "core/base/log.hpp"

#include <algorithm>

namespace foreshift {

result<void> gateway::repair_noted(const route_view& view) {
  for (const auto& noted : intents_.of(shape_.id))
    if (auto done = io(view).repair(noted.offset, noted.length); !done)
      return done;
  return {};
}

result<void> gateway::recover() {
  auto now = view_.current();
  if (!now->recovering)
    return {};
  if (auto done = repair_noted(*now); !done) {
    if (done.error().code == errc::refused)
      fenced(now->epoch, done.error());
    return done;
  }
  std::lock_guard lock{control_};
  if (view_.current() != now)
    return {};
  slog::info("volume {} made replicas of interrupted writes equal host={} writes={}", shape_.name,
             options_.host, intents_.of(shape_.id).size());
  intents_.clear_left(shape_.id);
  auto next = *now;
  next.recovering = false;
  install(std::move(next));
  return {};
}

result<void> gateway::equalise(std::uint64_t epoch, std::uint32_t extent) {
  std::shared_ptr<const route_view> view;
  {
    std::lock_guard lock{control_};
    view = standby_ && standby_->epoch == epoch ? standby_ : view_.current();
  }
  auto offset = std::uint64_t{extent} * shape_.extent_bytes;
  auto length = std::min<std::uint64_t>(shape_.extent_bytes, shape_.size_bytes - offset);
  return io(*view).repair(offset, length);
}

result<void> gateway::repair(std::uint64_t offset, std::uint64_t length) {
  auto lock = writes_.acquire(offset, length);
  auto view = view_.acquire();
  if (view->state != LeaseState::PRIMARY)
    return not_primary(view->epoch);
  return io(*view).repair(offset, length);
}

result<void> gateway::mend_extent(std::uint32_t extent, replica_io::mending& notes) {
  auto offset = std::uint64_t{extent} * shape_.extent_bytes;
  if (offset >= shape_.size_bytes)
    return fault{errc::invalid, "volume '" + shape_.name + "' has no such extent"};
  auto length = std::min<std::uint64_t>(shape_.extent_bytes, shape_.size_bytes - offset);
  auto lock = writes_.acquire(offset, length);
  auto view = view_.acquire();
  if (!view->serving())
    return not_primary(view->epoch);
  replica_io::mending found;
  auto done = io(*view).mend(offset, length, found);
  view.release();
  if (done)
    lost_.found(offset, length);
  note(found);
  notes.blocks += found.blocks;
  notes.lost.insert(notes.lost.end(), found.lost.begin(), found.lost.end());
  return done;
}

result<void> gateway::repair_torn() {
  std::vector<std::uint32_t> slots;
  {
    std::lock_guard lock{torn_mutex_};
    slots = torn_;
  }
  for (const auto& noted : intents_.of(shape_.id)) {
    if (std::find(slots.begin(), slots.end(), noted.slot) == slots.end())
      continue;
    if (auto done = repair(noted.offset, noted.length); !done)
      return done;
    std::lock_guard lock{torn_mutex_};
    if (std::erase(torn_, noted.slot) == 0)
      continue;
    torn_count_.store(torn_.size());
    intents_.end(noted.slot);
  }
  return {};
}

void gateway::ask_suspects(std::set<std::string>& away) {
  auto view = view_.current();
  if (view->state != LeaseState::PRIMARY)
    return;
  for (const auto& route : view->routes) {
    if (!route.in_sync || !route.mark->suspected.load() || away.count(route.host) != 0)
      continue;
    auto done = route.link ? route.link->start_flush()->finish() : local_->flush({view->epoch, 0});
    health_.note(view->epoch, route, done);
    if (!done)
      away.insert(route.host);
  }
  health_.keep(*view_.current()); // it may have changed meanwhile
}

} // namespace foreshift
