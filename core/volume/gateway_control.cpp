// SPDX-License-Identifier: Apache-2.0
// Lease, map and mirrors of a gateway; the data path is in gateway.cpp.
#include "core/volume/gateway.hpp"

#include "core/base/log.hpp"
#include "core/base/planted.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr std::chrono::milliseconds settle_patience{1000};

result<void> connect_all(const route_view& view) {
  for (const auto& route : view.routes)
    if (route.link && route.in_sync)
      if (auto done = route.link->connect(); !done)
        return done;
  return {};
}

} // namespace

fault gateway::not_primary(std::uint64_t epoch) const {
  return {errc::refused, "host '" + options_.host + "' is not primary of volume '" + shape_.name
                             + "' at epoch " + std::to_string(epoch)};
}

std::vector<byte_range> extent_ranges(const volume_shape& shape,
                                      std::span<const std::uint32_t> extents) {
  std::vector<std::uint32_t> sorted{extents.begin(), extents.end()};
  std::sort(sorted.begin(), sorted.end());
  std::vector<byte_range> out;
  for (auto extent : sorted) {
    auto begin = std::uint64_t{extent} * shape.extent_bytes;
    auto end = begin + shape.extent_bytes;
    if (!out.empty() && out.back().end >= begin)
      out.back().end = std::max(out.back().end, end);
    else
      out.push_back({begin, end});
  }
  return out;
}

LeaseState gateway::state() const {
  return view_.current()->state;
}

std::uint64_t gateway::epoch() const {
  return view_.current()->epoch;
}

host_route gateway::route_to(const std::string& host, std::uint64_t epoch, std::uint64_t move) {
  auto& mark = marks_[host];
  if (!mark)
    mark = std::make_shared<flush_mark>();
  auto heard = std::make_shared<std::atomic<std::int64_t>>(never_heard_ns);
  if (host == options_.host)
    return {nullptr, mark, host, true, heard};
  auto known = peers_.find(host);
  link_target target{host,          known == peers_.end() ? std::string{} : known->second,
                     shape_.id,     epoch,
                     options_.host, move};
  auto& link = open_links_[target];
  if (!link)
    link = links_(target);
  return {link, mark, host, true, heard};
}

route_view gateway::make_view(LeaseState state, std::uint64_t epoch,
                              std::shared_ptr<const placement_map> placement) {
  return make_route_view(state, epoch, std::move(placement), homes_, options_.host,
                         [&](const std::string& host) { return route_to(host, epoch, 0); });
}

/// Under `control_`.
std::uint64_t gateway::install(route_view next) {
  auto generation = view_.install(std::make_shared<const route_view>(std::move(next)));
  health_.keep(*view_.current());
  gate_.wake();
  return generation;
}

/// Without `control_`: a request that finds itself fenced must be able to say so meanwhile.
result<void> gateway::wait_older(std::uint64_t generation) {
  if (!view_.drain(generation, options_.drain_timeout))
    return fault{errc::timeout, "requests of volume '" + shape_.name
                                    + "' begun before the change did not end in time"};
  std::lock_guard lock{control_};
  health_.keep(*view_.current()); // the last requests of the older view may have noted failures
  std::erase_if(open_links_, [](const auto& x) { return x.second.use_count() == 1; });
  return {};
}

result<void> gateway::standby(std::uint64_t epoch, const placement_map& placement,
                              const peer_addresses& peers) {
  auto map = std::make_shared<const placement_map>(placement);
  std::shared_ptr<const route_view> next;
  {
    std::lock_guard lock{control_};
    auto now = view_.current();
    if (now->epoch > epoch || (now->epoch == epoch && now->state == LeaseState::DEACTIVATED))
      return fault{errc::refused, "volume '" + shape_.name + "' is past epoch "
                                      + std::to_string(epoch) + " on host '" + options_.host + "'"};
    if (now->epoch == epoch && now->state == LeaseState::PRIMARY)
      return {};
    peers_ = peers;
    // What others left unflushed is unknown: the next flush goes everywhere.
    for (auto& [host, mark] : marks_)
      mark->inherited = mark->written.fetch_add(1) + 1;
    next = std::make_shared<const route_view>(make_view(LeaseState::STANDBY, epoch, map));
  }
  if (auto done = connect_all(*next); !done)
    return done;
  std::uint64_t generation = 0;
  {
    std::lock_guard lock{control_};
    if (view_.current()->state == LeaseState::PRIMARY) {
      standby_ = next;
      return {};
    }
    generation = install(*next);
  }
  return wait_older(generation);
}

bool gateway::standing_by(std::uint64_t epoch) const {
  std::lock_guard lock{control_};
  auto now = view_.current();
  return (now->state == LeaseState::STANDBY && now->epoch == epoch)
         || (standby_ && standby_->epoch == epoch);
}

void gateway::serve(std::uint64_t epoch, std::int64_t sealed_ns) {
  std::lock_guard lock{control_};
  auto now = view_.current();
  auto from = standby_ && standby_->epoch == epoch ? standby_ : now;
  FORESHIFT_ENSURE(from->epoch == epoch && from->state == LeaseState::STANDBY);
  auto next = *from;
  next.state = LeaseState::PRIMARY;
  next.note_heard(sealed_ns);
  standby_.reset();
  waited_us_.store(early_.arrived());
  install(std::move(next));
  intents_.clear_left(shape_.id); // since then the replicas were made equal
}

bool gateway::resume(LeaseState state, std::uint64_t epoch, const placement_map& placement,
                     const peer_addresses& peers, const std::vector<mirror_order>& mirrors) {
  std::lock_guard lock{control_};
  peers_ = peers;
  auto next = make_view(state, epoch, std::make_shared<const placement_map>(placement));
  for (const auto& order : mirrors) {
    mirror_route mirror{order.move, order.destination, {}, {}};
    mirror.extents.addMany(order.extents.size(), order.extents.data());
    mirror.route = route_to(order.destination, epoch, order.move);
    next.mirrors.push_back(std::move(mirror));
  }
  if (planted(bug::recover_without_repair))
    intents_.clear_left(shape_.id);
  next.recovering = state == LeaseState::PRIMARY && !intents_.of(shape_.id).empty();
  auto held = next.recovering;
  install(std::move(next));
  return held;
}

std::optional<gateway::draining> gateway::begin_drain(std::uint64_t epoch) {
  std::lock_guard lock{control_};
  auto next = *view_.current();
  if (next.epoch != epoch
      || (next.state != LeaseState::PRIMARY && next.state != LeaseState::DRAINING))
    return std::nullopt;
  next.state = LeaseState::DRAINING;
  auto generation = install(std::move(next));
  return draining{view_.current(), generation};
}

bool gateway::drain_if_idle(std::uint64_t epoch) {
  auto begun = begin_drain(epoch);
  return begun && view_.drain(begun->generation, std::chrono::nanoseconds{0}) && intents_.empty()
         && io(*begun->view).flushed(flush_scope::own);
}

result<void> gateway::drain(std::uint64_t epoch) {
  auto begun = begin_drain(epoch);
  if (!begun)
    return not_primary(epoch);
  if (auto done = wait_older(begun->generation); !done)
    return done;
  // Nothing is in flight; what is still noted was written to some replicas only.
  if (auto done = repair_noted(*begun->view); !done)
    return done;
  drop_torn();
  // What this holder inherited unflushed the next one inherits too, so an idle volume flushes
  // nothing.
  return io(*begun->view).flush(flush_scope::own);
}

void gateway::release(std::uint64_t epoch) {
  {
    std::lock_guard lock{control_};
    auto now = view_.current();
    if (now->epoch > epoch)
      return;
    route_view next;
    next.state = LeaseState::DEACTIVATED;
    next.epoch = std::max(now->epoch, epoch);
    if (standby_ && standby_->epoch > epoch)
      next = *standby_;
    standby_.reset();
    install(std::move(next));
  }
  // Whoever took the lease has made the replicas equal, or compares them all before it serves.
  drop_torn();
  intents_.clear_left(shape_.id);
}

void gateway::fenced(std::uint64_t epoch, const fault& why) {
  {
    std::lock_guard lock{control_};
    auto now = view_.current();
    if (now->epoch != epoch || now->state == LeaseState::DEACTIVATED)
      return;
  }
  slog::warn("volume {} is fenced: another host holds its lease host={} epoch={}: {}", shape_.name,
             options_.host, epoch, why.detail);
  release(epoch);
}

result<void> gateway::may_adopt(std::uint64_t epoch, std::uint64_t version) const {
  auto now = view_.current();
  if (now->epoch != epoch || now->state != LeaseState::PRIMARY)
    return not_primary(epoch);
  if (now->placement->version() > version)
    return fault{errc::precondition, "volume '" + shape_.name + "' already uses map version "
                                         + std::to_string(now->placement->version())};
  return {};
}

result<void> gateway::adopt(std::uint64_t epoch, const placement_map& placement,
                            const peer_addresses& peers, std::span<const std::uint32_t> settle) {
  auto map = std::make_shared<const placement_map>(placement);
  std::uint64_t generation = 0;
  {
    // Between a write's first and last replica, a reader by the old map may have seen the new data
    // where a reader by the new map would not: such writes end before, others begin after.
    // Not for ever: writes may be held for a replica that a newer map is about to leave out.
    auto held = writes_.acquire_within(extent_ranges(shape_, settle), settle_patience);
    if (!held)
      return fault{errc::busy, "writes to extents that change hosts have not ended yet"};
    std::lock_guard lock{control_};
    auto now = view_.current();
    if (auto may = may_adopt(epoch, placement.version()); !may)
      return may;
    for (const auto& [name, address] : peers)
      peers_[name] = address;
    auto next = make_view(now->state, epoch, map);
    next.recovering = now->recovering;
    next.mirrors = now->mirrors;
    generation = install(std::move(next));
  }
  return wait_older(generation);
}

result<void> gateway::mirror_on(std::uint64_t epoch, const mirror_order& order,
                                const peer_addresses& peers) {
  mirror_route mirror{order.move, order.destination, {}, {}};
  mirror.extents.addMany(order.extents.size(), order.extents.data());
  {
    std::lock_guard lock{control_};
    for (const auto& [name, address] : peers)
      peers_[name] = address;
    mirror.route = route_to(order.destination, epoch, order.move);
  }
  if (mirror.route.link)
    if (auto done = mirror.route.link->connect(); !done)
      return done;
  std::uint64_t generation = 0;
  {
    std::lock_guard lock{control_};
    auto now = view_.current();
    if (now->epoch != epoch || now->state != LeaseState::PRIMARY)
      return not_primary(epoch);
    auto next = *now;
    std::erase_if(next.mirrors, [&](const mirror_route& x) { return x.move == order.move; });
    next.mirrors.push_back(std::move(mirror));
    generation = install(std::move(next));
  }
  if (planted(bug::no_mirror_barrier))
    return {};
  return wait_older(generation);
}

result<void> gateway::mirror_off(std::uint64_t move) {
  std::uint64_t generation = 0;
  {
    std::lock_guard lock{control_};
    auto next = *view_.current();
    if (std::erase_if(next.mirrors, [&](const mirror_route& x) { return x.move == move; }) == 0)
      return {};
    generation = install(std::move(next));
  }
  return wait_older(generation);
}

range_lock::guard gateway::lock_extents(std::span<const std::uint32_t> extents) {
  return writes_.acquire(extent_ranges(shape_, extents));
}

} // namespace foreshift
