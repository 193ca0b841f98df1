// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/forecast_book.hpp"

#include "actors/agent/access_batch.hpp"
#include "core/base/log.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

namespace foreshift {

namespace {

constexpr std::uint32_t state_version = 2;
constexpr std::uint64_t page_bytes = 4096;

void write_ledger(schema::Ledger::Builder out, const ledger_report& x) {
  out.setHorizonMs(x.horizon_ms);
  out.setDecisions(x.line.decisions);
  out.setPromised(x.line.promised);
  out.setCovered(x.line.covered);
  out.setOracle(x.line.oracle);
  out.setOfOracle(x.line.of_oracle);
  out.setWasted(x.line.wasted);
  out.setMoved(x.line.moved);
  out.setLead(x.lead);
  auto arms = out.initArms(static_cast<unsigned>(x.arms.size()));
  for (unsigned i = 0; i < arms.size(); ++i) {
    arms[i].setName(x.arms[i].name);
    arms[i].setWeight(x.arms[i].weight);
  }
  auto bins = out.initCalibration(static_cast<unsigned>(x.calibration.size()));
  for (unsigned i = 0; i < bins.size(); ++i) {
    auto& bin = x.calibration[i];
    auto each = std::max(1.0, bin.decisions);
    bins[i].setDecisions(bin.decisions);
    bins[i].setPromised(bin.promised / each);
    bins[i].setCovered(bin.covered / each);
  }
}

packet<schema::ForecastReport> render(std::uint64_t volume, const std::string& host,
                                      std::int64_t now_ms, const forecast& x,
                                      const std::vector<ledger_report>& ledgers) {
  return packet<schema::ForecastReport>::make([&](auto root) {
    auto out = root.initForecast();
    out.setVolume(volume);
    out.setHost(host);
    out.setAtMs(now_ms);
    out.setHorizonMs(x.horizon_ms);
    out.setTotalReads(x.total_reads);
    out.setTotalWrites(x.total_writes);
    out.setExtentsActive(x.extents_active);
    out.setObservedMs(x.observed_ms);
    auto extents = out.initExtents(static_cast<unsigned>(x.extents.size()));
    for (unsigned i = 0; i < extents.size(); ++i) {
      extents[i].setExtent(x.extents[i].extent);
      extents[i].setReads(x.extents[i].reads);
      extents[i].setWrites(x.extents[i].writes);
      extents[i].setBytes(x.extents[i].bytes);
      extents[i].setClass(static_cast<schema::HeatClass>(x.extents[i].kind));
    }
    auto experts = out.initExperts(static_cast<unsigned>(x.experts.size()));
    for (unsigned i = 0; i < experts.size(); ++i) {
      experts[i].setName(x.experts[i].name);
      experts[i].setWeight(x.experts[i].weight);
    }
    auto books = out.initLedgers(static_cast<unsigned>(ledgers.size()));
    for (unsigned i = 0; i < books.size(); ++i)
      write_ledger(books[i], ledgers[i]);
  });
}

result<void> restore(forecaster& into, const packet<schema::ForecastState>& state) {
  auto from = state.read();
  if (from.getVersion() != state_version)
    return fault{errc::malformed,
                 fmt::format("forecaster state of volume {} has version {}, not {}",
                             from.getVolume(), from.getVersion(), state_version)};
  auto body = from.getBody();
  return into.load({reinterpret_cast<const char*>(body.begin()), body.size()});
}

} // namespace

void forecast_book::learn(schema::PlaneStatus::Reader status, std::int64_t now_ms) {
  for (auto& [id, x] : known_)
    x.primary = false;
  std::set<std::uint64_t> present;
  for (auto volume : status.getVolumes()) {
    present.insert(volume.getId());
    auto state = volume.getState();
    auto& x = known_[volume.getId()];
    x.size_bytes = volume.getSizeBytes() > 0 ? volume.getSizeBytes() : 64 * tib;
    x.extent_bytes = volume.getExtentBytes() > 0 ? volume.getExtentBytes() : mib;
    x.primary = state == schema::LeaseState::PRIMARY || state == schema::LeaseState::DRAINING;
    if (x.primary)
      x.primary_ms = now_ms;
  }
  std::erase_if(open_, [&](const auto& x) {
    const auto& of = known_[x.first];
    return !of.primary && x.second.changes == x.second.kept
           && now_ms - of.primary_ms > options_.forget_after.count();
  });
  std::erase_if(known_, [&](const auto& x) {
    return !x.second.primary && !open_.contains(x.first) && !present.contains(x.first);
  });
}

void forecast_book::notice(schema::HostReport::Reader report) {
  std::map<std::uint64_t, vci_activity> seen;
  for (auto vci : report.getVcis()) {
    auto& x = seen[vci.getVolume()];
    auto bytes = vci.getGuestReadBytes() + vci.getGuestWriteBytes();
    x.cpu_share += vci.getDomainCpuShare() > 0 ? vci.getDomainCpuShare() : vci.getCpuShare();
    x.memory_bytes += static_cast<double>(
        vci.getDirtyBytes() > 0 ? vci.getDirtyBytes() : vci.getPageFaults() * page_bytes);
    x.disk_bytes +=
        static_cast<double>(bytes > 0 ? bytes : vci.getReadBytes() + vci.getWriteBytes());
    auto requests = vci.getGuestReads() + vci.getGuestWrites();
    if (requests > 0)
      x.request_us = std::max(x.request_us, (vci.getGuestReads() * vci.getGuestReadUs()
                                             + vci.getGuestWrites() * vci.getGuestWriteUs())
                                                / requests);
  }
  for (auto& [id, x] : open_)
    x.engine->notice(seen[id]);
}

std::vector<std::uint64_t> forecast_book::unopened(const packet<schema::PlaneLog>& log) const {
  std::vector<std::uint64_t> out;
  for (auto batch : log.read().getBatches())
    if (auto id = batch.getVolume(); known_.contains(id) && !open_.contains(id))
      if (std::find(out.begin(), out.end(), id) == out.end())
        out.push_back(id);
  return out;
}

std::vector<std::uint64_t> forecast_book::unopened() const {
  std::vector<std::uint64_t> out;
  for (const auto& [id, x] : known_)
    if (x.primary && !open_.contains(id))
      out.push_back(id);
  return out;
}

result<void> forecast_book::open(std::uint64_t volume, const packet<schema::ForecastState>* state) {
  auto known = known_.find(volume);
  if (known == known_.end() || open_.contains(volume))
    return {};
  auto& x = open_[volume];
  make_room();
  x.engine = make(known->second);
  if (state != nullptr)
    return restore(*x.engine, *state);
  return {};
}

void forecast_book::observe(const packet<schema::PlaneLog>& log) {
  for (auto batch : log.read().getBatches())
    if (auto found = open_.find(batch.getVolume()); found != open_.end())
      observe(found->second, batch);
}

void forecast_book::observe(entry& into, schema::AccessBatch::Reader batch) {
  for (const auto& record : to_records(batch)) {
    auto x = to_access(record);
    into.last_ms = x.at_ms = std::max(into.last_ms, x.at_ms);
    into.engine->observe(x);
    ++into.changes;
  }
}

std::vector<packet<schema::ForecastReport>> forecast_book::predict(std::int64_t now_ms) {
  std::vector<packet<schema::ForecastReport>> out;
  for (auto& [id, x] : open_) {
    auto known = known_.find(id);
    if (known == known_.end() || !known->second.primary)
      continue;
    // Never ahead of records that are still in the data plane's ring: they would come too late.
    x.engine->advance(std::max(x.last_ms, now_ms - options_.window.count()));
    out.push_back(render(id, options_.host, now_ms,
                         x.engine->predict(options_.extents_reported_max), x.engine->ledgers()));
  }
  return out;
}

result<packet<schema::ForecastState>> forecast_book::save(std::uint64_t volume) const {
  auto found = open_.find(volume);
  if (found == open_.end())
    return fault{errc::not_found, fmt::format("no forecast of volume {} here", volume)};
  auto body = found->second.engine->save();
  return packet<schema::ForecastState>::make([&](auto root) {
    root.setVolume(volume);
    root.setVersion(state_version);
    root.setBody(kj::arrayPtr(reinterpret_cast<const kj::byte*>(body.data()), body.size()));
  });
}

result<void> forecast_book::load(const packet<schema::ForecastState>& state) {
  auto found = open_.find(state.read().getVolume());
  if (found == open_.end())
    return fault{errc::not_found, "the volume's forecaster is not open"};
  ++found->second.changes;
  return restore(*found->second.engine, state);
}

std::vector<std::uint64_t> forecast_book::changed() const {
  std::vector<std::uint64_t> out;
  for (const auto& [id, x] : open_)
    if (x.changes != x.kept)
      out.push_back(id);
  return out;
}

std::uint64_t forecast_book::change(std::uint64_t volume) const {
  auto found = open_.find(volume);
  return found == open_.end() ? 0 : found->second.changes;
}

void forecast_book::kept(std::uint64_t volume, std::uint64_t change) {
  if (auto found = open_.find(volume); found != open_.end())
    found->second.kept = std::max(found->second.kept, change);
}

void forecast_book::set_horizon(std::chrono::milliseconds horizon) {
  if (horizon == options_.horizon || horizon.count() <= 0)
    return;
  options_.horizon = horizon;
  remake("horizon");
}

/// In powers of two, so that a thousand volumes that come one by one make each other smaller ten
/// times and not a thousand.
void forecast_book::make_room() {
  auto wanted = std::bit_ceil(std::max<std::size_t>(open_.size(), 1));
  if (wanted == shares_)
    return;
  auto former = std::exchange(shares_, wanted);
  if (wanted > former)
    remake("size");
}

void forecast_book::remake(const char* what) {
  for (auto& [id, x] : open_) {
    if (!x.engine)
      continue;
    auto fresh = make(known_[id]);
    if (auto ok = fresh->load(x.engine->save()); ok)
      x.engine = std::move(fresh);
    else
      slog::warn("forecaster of volume {} keeps its former {}: {}", id, what, ok.error().detail);
  }
}

std::size_t forecast_book::extents_max() const {
  constexpr std::size_t least = 64;
  auto share = options_.memory_bytes_max / forecast_extent_bytes / shares_;
  return std::clamp<std::size_t>(share, least, forecaster_options{}.extents_max);
}

std::unique_ptr<forecaster> forecast_book::make(const geometry& of) const {
  forecaster_options out;
  out.size_bytes = of.size_bytes > 0 ? of.size_bytes : 64 * tib;
  out.extent_bytes = of.extent_bytes > 0 ? of.extent_bytes : static_cast<std::uint32_t>(mib);
  out.window_ms = static_cast<std::uint32_t>(options_.window.count());
  out.horizon_ms = static_cast<std::uint32_t>(options_.horizon.count());
  out.extents_max = extents_max();
  return make_forecaster(out);
}

} // namespace foreshift
