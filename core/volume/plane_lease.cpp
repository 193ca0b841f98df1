// SPDX-License-Identifier: Apache-2.0
// Standby, takeover, drain, promotion and release: the flip as one host sees it.
#include "core/volume/plane_service.hpp"

#include "core/base/log.hpp"
#include "core/base/planted.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string_view>

namespace foreshift {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds greet_timeout{3000};
constexpr milliseconds forced_drain_timeout{2000};

/// Waits for the answers of calls sent side by side; keeps the first fault.
class gathering {
public:
  void expect() {
    std::lock_guard lock{mutex_};
    ++pending_;
  }

  /// Runs on the door's thread, perhaps after nobody waits any more: it owns what it touches.
  static door::answer answer_to(std::shared_ptr<gathering> all, std::string host) {
    return [all = std::move(all), host = std::move(host)](result<door::envelope> got) {
      std::lock_guard lock{all->mutex_};
      if (!got && all->first_)
        all->first_ = fault{got.error().code, "host '" + host + "': " + got.error().detail};
      --all->pending_;
      all->answered_.notify_all();
    };
  }

  result<void> wait() {
    std::unique_lock lock{mutex_};
    answered_.wait(lock, [this] { return pending_ == 0; });
    return first_;
  }

private:
  std::mutex mutex_;
  std::condition_variable answered_;
  std::uint32_t pending_ = 0;
  result<void> first_;
};

milliseconds timeout_of(schema::PlaneTakeover::Reader in) {
  return milliseconds{in.getTimeoutMs() == 0 ? 5000 : in.getTimeoutMs()};
}

std::uint64_t us(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(to_ns - from_ns, 0)) / 1000;
}

} // namespace

plane_service::acknowledged plane_service::prepare(schema::PlanePrepare::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  if (auto done = (*volume)->extents->prepare(in.getEpoch(), in.getHolder().cStr()); !done)
    return done.error();
  return packet<schema::Done>{};
}

/// Opens the doors of the flip before the flip needs them.
result<void> plane_service::greet(const std::vector<std::string>& hosts) {
  auto all = std::make_shared<gathering>();
  std::vector<std::shared_ptr<door::client>> doors;
  auto hello = door::wrap(packet<schema::Ping>{});
  for (const auto& host : hosts) {
    if (host == plane_.options().host)
      continue;
    auto door = plane_.door_of(host);
    if (!door)
      return door.error();
    all->expect();
    (*door)->call(hello, greet_timeout, gathering::answer_to(all, host));
    doors.push_back(*std::move(door));
  }
  return all->wait();
}

plane_service::acknowledged plane_service::standby(schema::PlaneStandby::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  auto epoch = in.getEpoch();
  plane_.learn(in.getPeers());
  auto placement = placement_map::decode(volume.shape, in.getPlacement());
  if (!placement)
    return placement.error();
  std::lock_guard control{volume.control};
  auto& gate = *volume.gate;
  if (gate.state() == LeaseState::PRIMARY && gate.epoch() == epoch)
    return packet<schema::Done>{};
  auto fence = volume.extents->fence();
  if (fence.epoch > epoch || (fence.epoch == epoch && fence.holder != plane_.options().host))
    return fault{errc::refused, "volume '" + volume.shape.name + "' is at epoch "
                                    + std::to_string(fence.epoch) + " of host '" + fence.holder
                                    + "'"};
  auto seal = placement->hosts_to_seal();
  if (auto done = greet(seal); !done)
    return done.error();
  // The source is not always a partition host; it may also be gone, which the takeover will tell.
  std::vector<std::string> others;
  for (auto peer : in.getPeers())
    if (std::string name = peer.getName().cStr();
        !std::binary_search(seal.begin(), seal.end(), name))
      others.push_back(name);
  if (auto done = greet(others); !done)
    slog::warn("volume {} standby cannot greet every peer: {}", volume.shape.name,
               done.error().detail);
  if (auto done = gate.standby(epoch, *placement, plane_.nbd_addresses()); !done)
    return done.error();
  auto map = packet<schema::Placement>::seal(in.getPlacement());
  if (auto done = plane_.records().put_map(volume.shape.id, epoch, map); !done)
    return done.error();
  if (gate.state() != LeaseState::PRIMARY)
    if (auto done =
            plane_.records().put_lease(volume.shape.id, {LeaseState::STANDBY, epoch}, false);
        !done)
      return done.error();
  slog::info("volume {} stands by host={} epoch={}", volume.shape.name, plane_.options().host,
             epoch);
  return packet<schema::Done>{};
}

/// Leaves nothing of an older epoch running: neither at the source nor, in a flip back, here.
result<void> plane_service::drain_source(plane_volume& volume, schema::PlaneTakeover::Reader in) {
  auto& gate = *volume.gate;
  std::string source = in.getSource().cStr();
  if (gate.state() == LeaseState::PRIMARY)
    if (auto done = gate.drain(gate.epoch()); !done)
      return done;
  if (source.empty() || source == plane_.options().host)
    return {};
  auto door = plane_.door_of(source);
  if (!door)
    return door.error();
  auto request = packet<schema::PlaneDrain>::make([&](auto out) {
    out.setVolume(volume.shape.id);
    out.setEpoch(in.getSourceEpoch());
    out.setQuietMs(in.getQuietMs());
  });
  // By force: a source that does not answer soon is taken for dead; its writes are fenced next.
  auto patience = timeout_of(in);
  if (in.getForced())
    patience = std::min(patience, forced_drain_timeout);
  auto done = (*door)->ask<schema::Done>(request, patience);
  if (!done)
    return fault{done.error().code, "cannot drain host '" + source + "': " + done.error().detail};
  return {};
}

/// One round trip and one parallel fsync: every host at once, this one by a direct call meanwhile.
result<void> plane_service::promote_all(plane_volume& volume, schema::PlaneTakeover::Reader in) {
  const auto& self = plane_.options().host;
  std::vector<std::pair<std::string, std::shared_ptr<door::client>>> doors;
  for (auto host : in.getSeal()) {
    if (host == self)
      continue;
    auto door = plane_.door_of(host.cStr());
    if (!door)
      return door.error();
    doors.emplace_back(host.cStr(), *std::move(door));
  }
  auto request = door::wrap(packet<schema::PlanePromote>::make([&](auto out) {
    out.setVolume(volume.shape.id);
    out.setEpoch(in.getEpoch());
    out.setHolder(self);
  }));
  auto all = std::make_shared<gathering>();
  for (const auto& [host, door] : doors) {
    all->expect();
    door->call(request, timeout_of(in), gathering::answer_to(all, host));
  }
  auto own = volume.extents->promote(in.getEpoch(), self);
  if (auto others = all->wait(); !others)
    return fault{others.error().code, "promotion: " + others.error().detail};
  if (!own)
    return own.error();
  return {};
}

plane_service::answered<schema::FlipTimes>
plane_service::takeover(schema::PlaneTakeover::Reader in) {
  const auto& clock = plane_.clock();
  auto began = clock.monotonic_ns();
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  auto& gate = *volume.gate;
  std::lock_guard control{volume.control};
  if (gate.state() == LeaseState::PRIMARY && gate.epoch() == in.getEpoch())
    return volume.flip;
  if (!gate.standing_by(in.getEpoch()))
    return fault{errc::precondition, "host '" + plane_.options().host
                                         + "' does not stand by for volume '" + volume.shape.name
                                         + "' at epoch " + std::to_string(in.getEpoch())};
  auto clean = planted(bug::flip_without_drain) ? result<void>{} : drain_source(volume, in);
  if (!clean && !in.getForced())
    return clean.error();
  auto drained = clock.monotonic_ns();
  if (auto sealed = promote_all(volume, in); !sealed && !planted(bug::serve_unpromoted))
    return sealed.error();
  auto promoted = clock.monotonic_ns();
  // Without a source nobody was drained (a roll-back, a re-attachment, an attachment after one that
  // failed), so nobody has made equal what a fenced holder, or this host before its power failed,
  // wrote to some replicas only.
  if (!clean || std::string_view{in.getSource().cStr()}.empty())
    if (auto equal = settle_unclean(volume, in, promoted); !equal)
      return equal.error();
  gate.serve(in.getEpoch(), drained);
  auto served = clock.monotonic_ns();
  volume.flip = packet<schema::FlipTimes>::make([&](auto out) {
    out.setDrainUs(us(began, drained));
    out.setPromoteUs(us(drained, promoted));
    out.setServeUs(us(promoted, served));
    out.setTotalUs(us(began, served));
    out.setWaitedUs(gate.waited_us());
  });
  // After serving, before answering: should the process die in between, it comes back as a standby
  // that every host has promoted, and the takeover is simply repeated.
  auto& records = plane_.records();
  if (auto done = records.put_lease(volume.shape.id, {LeaseState::PRIMARY, in.getEpoch()}, true);
      !done)
    return done.error();
  if (auto done = records.prune(volume.shape.id, in.getEpoch()); !done)
    slog::warn("volume {} keeps old records: {}", volume.shape.name, done.error().detail);
  slog::info("volume {} is primary host={} epoch={} drain_us={} promote_us={} total_us={}",
             volume.shape.name, plane_.options().host, in.getEpoch(), us(began, drained),
             us(drained, promoted), us(began, served));
  return volume.flip;
}

plane_service::acknowledged plane_service::drain(schema::PlaneDrain::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  std::lock_guard control{volume.control};
  auto& gate = *volume.gate;
  auto quiet = std::chrono::milliseconds{in.getQuietMs()};
  auto done = quiet.count() > 0 ? gate.yield(in.getEpoch(), quiet) : gate.drain(in.getEpoch());
  if (!done)
    return done.error();
  if (auto noted = note_draining(volume, in.getEpoch()); !noted)
    return noted.error();
  return packet<schema::Done>{};
}

/// A flip of an idle volume waits for this answer: it saves two changes of threads.
bool plane_service::drained_at_once(const door::envelope& request) {
  auto in = packet<schema::PlaneDrain>::admit(request.payload);
  if (!in || in->read().getQuietMs() > 0)
    return false;
  auto found = plane_.find(in->read().getVolume());
  if (!found)
    return false;
  std::unique_lock control{(*found)->control, std::try_to_lock};
  if (!control || !(*found)->gate->drain_if_idle(in->read().getEpoch()))
    return false;
  return bool(note_draining(**found, in->read().getEpoch()));
}

/// Recorded before the answer: a drained process that dies must not come back as one that serves,
/// because the next holder takes it for clean. In the page cache only: a machine that loses power
/// is away for longer than the promotions take.
result<void> plane_service::note_draining(plane_volume& volume, std::uint64_t epoch) {
  return plane_.records().put_lease(volume.shape.id, {LeaseState::DRAINING, epoch}, false);
}

plane_service::answered<schema::PlanePromoted>
plane_service::promote(schema::PlanePromote::Reader in) {
  auto volume = plane_.find(in.getVolume());
  if (!volume)
    return volume.error();
  auto& extents = *(*volume)->extents;
  auto fence = extents.promote(in.getEpoch(), in.getHolder().cStr());
  if (!fence)
    return fence.error();
  return packet<schema::PlanePromoted>::make([&](auto out) {
    out.setEpoch(fence->epoch);
    out.setExtentsPresent(extents.inventory().present.cardinality());
  });
}

plane_service::acknowledged plane_service::release(schema::PlaneRelease::Reader in) {
  auto found = plane_.find(in.getVolume());
  if (!found)
    return found.error();
  auto& volume = **found;
  std::lock_guard control{volume.control};
  auto& gate = *volume.gate;
  if (gate.epoch() > in.getEpoch())
    return packet<schema::Done>{};
  gate.release(in.getEpoch());
  auto& records = plane_.records();
  if (auto done =
          records.put_lease(volume.shape.id, {LeaseState::DEACTIVATED, in.getEpoch()}, true);
      !done)
    return done.error();
  if (auto done = records.prune(volume.shape.id, in.getEpoch() + 1); !done)
    return done.error();
  slog::info("volume {} lease released host={} epoch={}", volume.shape.name, plane_.options().host,
             in.getEpoch());
  return packet<schema::Done>{};
}

} // namespace foreshift
