// SPDX-License-Identifier: Apache-2.0
#include "core/volume/plane.hpp"

#include "core/base/background.hpp"
#include "core/base/log.hpp"

#include <algorithm>
#include <set>

namespace foreshift {

namespace {

constexpr std::chrono::milliseconds mend_pause{500};

/// Which partitions are at home on `host`, so that the disk need not hash for every request.
std::function<bool(std::uint32_t)> home_test(const volume_shape& shape, const std::string& host) {
  auto homes = home_table::make(shape);
  std::vector<bool> set_has(homes->sets.size());
  for (std::size_t i = 0; i < set_has.size(); ++i)
    set_has[i] = std::binary_search(homes->sets[i].begin(), homes->sets[i].end(), host);
  auto per_partition = static_cast<std::uint32_t>(shape.partition_bytes / shape.extent_bytes);
  return [homes, set_has, per_partition](std::uint32_t extent) {
    auto partition = extent / per_partition;
    return partition < homes->of_partition.size() && set_has[homes->of_partition[partition]];
  };
}

/// For copies, which the other side makes wait on purpose.
nbd_link_options patient(nbd_link_options x) {
  x.io_timeout *= 5;
  return x;
}

std::vector<mirror_order> decode_mirrors(const std::vector<packet<schema::PlaneMirror>>& records,
                                         std::uint64_t epoch) {
  std::vector<mirror_order> out;
  for (const auto& record : records) {
    auto in = record.read();
    if (in.getEpoch() != epoch)
      continue;
    auto& order = out.emplace_back(mirror_order{in.getMove(), in.getDestination().cStr(), {}});
    for (auto extent : in.getExtents())
      order.extents.push_back(extent);
  }
  return out;
}

} // namespace

result<std::unique_ptr<plane>> plane::open(plane_options options, extent_store& store,
                                           door::io_thread& io, link_factory links,
                                           const clock_source& clock) {
  auto& disk = options.disk ? *options.disk : real_disk();
  auto intents = write_intents::open(options.directory + "/write-intents", disk);
  if (!intents)
    return intents.error();
  std::unique_ptr<plane> out{
      new plane{std::move(options), store, io, std::move(links), clock, *std::move(intents)}};
  if (auto done = out->restore(); !done)
    return done.error();
  out->mender_ = std::thread{[self = out.get()] { self->mend(); }};
  out->scrub_thread_ = std::thread{[self = out.get()] {
    run_in_background();
    self->keep_scrubbing();
  }};
  return out;
}

plane::plane(plane_options options, extent_store& store, door::io_thread& io, link_factory links,
             const clock_source& clock, std::unique_ptr<write_intents> intents)
    : options_(std::move(options)), store_(store), io_(io), links_(std::move(links)), clock_(clock),
      records_(store), intents_(std::move(intents)), log_(options_.log_capacity), suspects_(clock),
      copies_(patient(options_.peer_nbd), clock), started_ms_(clock.wall_ms()),
      pace_(
          options_.copies, [this] { return foreground(); }, clock),
      scrub_(*this, options_.scrubbing) {}

plane::~plane() {
  pace_.stop();
  {
    std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  stop_changed_.notify_all();
  scrub_changed_.notify_all();
  if (scrub_thread_.joinable())
    scrub_thread_.join();
  if (mender_.joinable())
    mender_.join();
}

void plane::keep_scrubbing() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    scrub_asked_ = false;
    lock.unlock();
    auto pause = scrub_.step();
    lock.lock();
    scrub_changed_.wait_for(lock, pause, [this] { return stopping_ || scrub_asked_; });
  }
}

void plane::wake_scrub() {
  {
    std::lock_guard lock{mutex_};
    scrub_asked_ = true;
  }
  scrub_changed_.notify_all();
}

result<void> plane::restore() {
  auto known = records_.peers();
  if (!known)
    return known.error();
  for (const auto& peer : *known)
    peers_[peer.read().getName().cStr()] = {peer, nullptr};
  auto specs = records_.specs();
  if (!specs)
    return specs.error();
  auto boot = (options_.disk ? *options_.disk : real_disk()).boot_id();
  if (!boot)
    return boot.error();
  auto former = records_.boot();
  if (!former)
    return former.error();
  bool restarted = !former->empty() && *former != *boot;
  for (const auto& spec : *specs) {
    auto built = build(decode_shape(spec.read()));
    if (!built)
      return built.error();
    volumes_[(*built)->shape.id] = *built;
    // One damaged record must not keep the other volumes away: this one waits to be attached again.
    if (auto done = restarted ? drop_lease(**built) : restore_lease(**built); !done)
      slog::error("volume {} does not resume host={}: {}", (*built)->shape.name, options_.host,
                  to_string(done.error()));
  }
  return *former == *boot ? result<void>{} : records_.put_boot(*boot);
}

foreground_totals plane::foreground() const {
  foreground_totals out;
  auto add = [&out](const io_counters& x) {
    out.requests += x.reads.load(std::memory_order_relaxed);
    out.requests += x.writes.load(std::memory_order_relaxed);
    out.busy_ns += x.busy_ns.load(std::memory_order_relaxed);
  };
  add(peer_io_);
  for (const auto& volume : volumes())
    add(volume->gate->counters());
  return out;
}

result<void> plane::restore_lease(plane_volume& volume) {
  auto id = volume.shape.id;
  auto lease = records_.lease(id);
  if (!lease)
    return lease.error();
  if (lease->state == LeaseState::NONE)
    return {};
  if (lease->state == LeaseState::DEACTIVATED) {
    volume.gate->release(lease->epoch);
    return {};
  }
  auto map = records_.map(id, lease->epoch);
  if (!map)
    return map.error();
  auto mirrors = records_.mirrors(id);
  if (!mirrors)
    return mirrors.error();
  if (!*map)
    return fault{errc::corrupt, "volume '" + volume.shape.name + "' has a lease but no map"};
  auto placement = placement_map::decode(volume.shape, (*map)->read());
  if (!placement)
    return placement.error();
  auto recovering = volume.gate->resume(lease->state, lease->epoch, *placement, nbd_addresses(),
                                        decode_mirrors(*mirrors, lease->epoch));
  slog::info("volume {} resumes host={} lease={}{}", volume.shape.name, options_.host,
             encode(*lease), recovering ? " after its interrupted writes are mended" : "");
  return {};
}

/// After a restart of the machine: which writes were in flight is not known any more, nor whether
/// the lease was drained. Whoever is promoted next compares the replicas. The note of the new boot
/// carries this one to the disk.
result<void> plane::drop_lease(plane_volume& volume) {
  auto id = volume.shape.id;
  auto lease = records_.lease(id);
  if (!lease)
    return lease.error();
  if (lease->state == LeaseState::NONE)
    return {};
  volume.gate->release(lease->epoch);
  if (lease->state == LeaseState::DEACTIVATED)
    return {};
  slog::info("volume {} is not resumed host={} lease={}: the machine has restarted",
             volume.shape.name, options_.host, encode(*lease));
  return records_.put_lease(id, {LeaseState::DEACTIVATED, lease->epoch}, false);
}

result<std::shared_ptr<plane_volume>> plane::build(const volume_shape& shape) {
  if (auto done = check_geometry(shape); !done)
    return done.error();
  auto extents = store_.volume(
      {shape.id, shape.size_bytes, shape.extent_bytes, home_test(shape, options_.host)});
  if (!extents)
    return extents.error();
  auto out = std::make_shared<plane_volume>();
  out->shape = shape;
  out->extents = *std::move(extents);
  out->slot = static_cast<std::uint32_t>(slots_.size());
  slots_.push_back(shape.id);
  gateway_options gate;
  gate.host = options_.host;
  gate.hold = options_.hold;
  gate.volume_slot = out->slot;
  gate.suspects = &suspects_;
  out->gate = std::make_shared<gateway>(gate, shape, out->extents, links_, *intents_, log_, clock_);
  return out;
}

result<void> plane::configure(schema::VolumeSpec::Reader spec) {
  auto shape = decode_shape(spec);
  std::lock_guard lock{mutex_};
  if (auto found = volumes_.find(shape.id); found != volumes_.end()) {
    if (found->second->shape == shape)
      return {};
    return fault{errc::invalid, "volume " + std::to_string(shape.id) + " ('"
                                    + found->second->shape.name + "') exists on host '"
                                    + options_.host + "' with another shape"};
  }
  if (auto done = check_shape(shape); !done)
    return done;
  auto built = build(shape);
  if (!built)
    return built.error();
  if (auto done = records_.put_spec(packet<schema::VolumeSpec>::seal(spec)); !done)
    return done;
  volumes_[shape.id] = *built;
  return {};
}

result<std::shared_ptr<plane_volume>> plane::find(std::uint64_t id) const {
  std::lock_guard lock{mutex_};
  auto found = volumes_.find(id);
  if (found == volumes_.end())
    return fault{errc::not_found,
                 "host '" + options_.host + "' knows no volume " + std::to_string(id)};
  return found->second;
}

result<std::shared_ptr<plane_volume>> plane::find_name(std::string_view name) const {
  std::lock_guard lock{mutex_};
  for (const auto& [id, volume] : volumes_)
    if (volume->shape.name == name)
      return volume;
  return fault{errc::not_found, "volume '" + std::string{name} + "' is not attached to host '"
                                    + options_.host + "'"};
}

std::vector<std::shared_ptr<plane_volume>> plane::volumes() const {
  std::lock_guard lock{mutex_};
  std::vector<std::shared_ptr<plane_volume>> out;
  for (const auto& [id, volume] : volumes_)
    out.push_back(volume);
  return out;
}

result<void> plane::forget(std::uint64_t id) {
  auto volume = find(id);
  if (!volume)
    return {};
  std::lock_guard control{(*volume)->control};
  auto& gate = *(*volume)->gate;
  if (gate.state() == LeaseState::PRIMARY)
    return fault{errc::precondition, "host '" + options_.host + "' is primary of volume '"
                                         + (*volume)->shape.name + "'"};
  gate.release(gate.epoch());
  if (auto done = store_.forget(id); !done)
    return done;
  if (auto done = records_.forget(id); !done)
    return done;
  intents_->clear_left(id);
  std::lock_guard lock{mutex_};
  slots_[(*volume)->slot] = 0;
  volumes_.erase(id);
  return {};
}

void plane::mend() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    auto all = volumes_;
    lock.unlock();
    suspects_.expire();
    copies_.expire();
    std::set<std::string> away;
    for (const auto& [id, volume] : all) {
      auto done = volume->gate->recover();
      if (done && volume->gate->torn() > 0)
        done = volume->gate->repair_torn();
      if (!done)
        slog::warn("volume {} cannot make its replicas equal yet host={}: {}", volume->shape.name,
                   options_.host, done.error().detail);
      volume->gate->ask_suspects(away);
    }
    lock.lock();
    stop_changed_.wait_for(lock, mend_pause, [this] { return stopping_; });
  }
}

} // namespace foreshift
