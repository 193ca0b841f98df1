// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/base/units.hpp"

#include <algorithm>
#include <bit>
#include <set>

namespace foreshift {

result<void> check_layout(const volume_layout& layout) {
  if (layout.id == 0 || !layout.is_home)
    return fault{errc::invalid, "a volume needs an id and a home function"};
  if (layout.size_bytes == 0 || layout.size_bytes > 64 * tib
      || layout.size_bytes % block_bytes != 0)
    return fault{errc::invalid, "a volume's size is a multiple of 4 KiB, at most 64 TiB"};
  if (!std::has_single_bit(layout.extent_bytes) || layout.extent_bytes < 64 * kib
      || layout.extent_bytes > 64 * mib)
    return fault{errc::invalid, "an extent's size is a power of two from 64 KiB to 64 MiB"};
  return {};
}

namespace {

std::uint32_t count_extents(const volume_layout& layout) {
  return static_cast<std::uint32_t>((layout.size_bytes + layout.extent_bytes - 1)
                                    / layout.extent_bytes);
}

} // namespace

volume_extents_impl::volume_extents_impl(std::shared_ptr<store_disk> disk,
                                         const volume_layout& layout)
    : disk_(std::move(disk)), layout_(layout), directory_(disk_->volume_path(layout.id)),
      states_(count_extents(layout)),
      segments_((layout.size_bytes + segment_bytes - 1) / segment_bytes),
      notes_(*disk_->records, layout.id, count_extents(layout)), boot_(*disk_->records, layout.id) {
  // nop
}

result<std::shared_ptr<volume_extents_impl>>
volume_extents_impl::open(std::shared_ptr<store_disk> disk, const volume_layout& layout) {
  if (auto ok = check_layout(layout); !ok)
    return ok.error();
  auto known = disk->records->layout(layout.id);
  if (!known)
    return known.error();
  if (*known
      && ((*known)->size_bytes != layout.size_bytes
          || (*known)->extent_bytes != layout.extent_bytes))
    return fault{errc::invalid, "volume " + std::to_string(layout.id)
                                    + " is stored here with another size or extent size"};
  if (!*known) {
    // Files without records are what a deletion left: nothing of them may show.
    if (auto ok = disk->io.remove_tree(disk->volume_path(layout.id)); !ok)
      return ok.error();
    if (auto ok = disk->records->put_layout(layout); !ok)
      return ok.error();
  }
  std::shared_ptr<volume_extents_impl> out(new volume_extents_impl(std::move(disk), layout));
  if (auto ok = out->load(); !ok)
    return ok.error();
  return out;
}

result<void> volume_extents_impl::load() {
  if (auto ok = disk_->io.make_directory(directory_); !ok)
    return ok;
  auto intents = intent_log::open(disk_->io, directory_ + "/intents");
  if (!intents)
    return intents.error();
  intents_ = std::move(*intents);
  extent_inventory found;
  auto scanned = disk_->records->scan(layout_.id, [&](auto extent, const auto& record) {
    using enum extent_record::kind;
    auto copy = record.state == staged || record.state == resync;
    (record.state == present ? found.present
     : copy                  ? found.staged
     : record.state == lost  ? found.lost
                             : found.retired)
        .add(extent);
    if (copy)
      staged_[extent] = {record.move, true, record.state == resync, {}};
  });
  if (!scanned)
    return scanned;
  if (auto ok = load_segments(found); !ok)
    return ok;
  for (auto extent : found.present)
    change_state(extent, extent_state::present);
  for (auto extent : found.staged)
    change_state(extent, extent_state::staged);
  for (auto extent : found.lost)
    change_state(extent, extent_state::lost);
  if (auto ok = notes_.load(); !ok)
    return ok;
  if (auto ok = free_orphans(found.retired); !ok)
    return ok;
  if (auto ok = heal_interrupted(); !ok)
    return ok;
  auto failed = disk_->records->failure(layout_.id);
  if (!failed)
    return failed.error();
  failure_ = std::move(*failed);
  failed_ = !failure_.empty();
  if (failed_)
    slog::error("volume {} is not served from this host, its replica has failed: {}", layout_.id,
                failure_);
  auto boot = disk_->io.boot_id();
  if (!boot)
    return boot.error();
  if (auto ok = boot_.load(*boot, system_clock().wall_ms()); !ok)
    return ok;
  if (doubt() != 0)
    slog::warn("volume {} is not served from this host yet: the machine has restarted since the "
               "volume was changed here, and what was not synced may be gone",
               layout_.id);
  auto fence = disk_->records->fence(layout_.id);
  if (!fence)
    return fence.error();
  fence_ = std::move(*fence);
  gate_.open(fence_.epoch);
  return {};
}

result<void> volume_extents_impl::load_segments(const extent_inventory& found) {
  auto needed = found.present | found.staged | found.lost;
  auto all = needed | found.retired;
  if (!all.isEmpty() && all.maximum() >= extent_count())
    return fault{errc::corrupt,
                 "the database has extents past the end of volume " + std::to_string(layout_.id)};
  std::set<std::uint64_t> numbers;
  for (auto extent : all)
    numbers.insert(extent_offset(extent) / segment_bytes);
  for (auto number : numbers) {
    auto start = number * segment_bytes;
    segment_file::known_ranges known;
    for (auto extent : needed)
      if (auto at = extent_offset(extent); at / segment_bytes == number)
        known.emplace_back(at % segment_bytes, extent_length(extent));
    auto segment = segment_file::open(disk_->io, directory_, static_cast<std::uint32_t>(number),
                                      std::min(segment_bytes, layout_.size_bytes - start), known);
    if (!segment)
      return segment.error();
    segments_[number] = segment->get();
    opened_.push_back(std::move(*segment));
  }
  return {};
}

/// A process that died in `retire` may have left the extent's data; and the record of an extent
/// that has no home here is needed no longer.
result<void> volume_extents_impl::free_orphans(const roaring::Roaring& retired) {
  std::vector<record_change> erased;
  for (auto extent : retired) {
    if (segments_[extent_offset(extent) / segment_bytes].load())
      if (auto ok = clear_extent(extent); !ok)
        return ok;
    if (layout_.is_home(extent))
      change_state(extent, extent_state::retired);
    else
      erased.push_back({extent, std::nullopt});
  }
  return disk_->records->change_extents(layout_.id, erased);
}

/// A write that died between data and checksum must not look like corruption.
result<void> volume_extents_impl::heal_interrupted() {
  for (const auto& what : intents_->leftover()) {
    if (auto ok = check_range(what.b, what.c); !ok)
      return fault{errc::corrupt, directory_ + "/intents holds a range outside of the volume"};
    auto healed = each_part(what.b, what.c, [&](const extent_part& part) -> result<void> {
      if (states_.get(part.extent) != extent_state::present)
        return {};
      slog::info("volume {} heals an interrupted write offset={} bytes={}", layout_.id, part.offset,
                 part.length);
      return segment_at(part.offset).resum(part.offset % segment_bytes, part.length);
    });
    if (!healed)
      return healed;
  }
  intents_->settle();
  return {};
}

void volume_extents_impl::forget() {
  std::lock_guard moves(moves_mutex_);
  std::lock_guard promotes(promote_mutex_);
  forgotten_ = true;
  gate_.close();
}

result<void> volume_extents_impl::alive() const {
  if (forgotten_)
    return fault{errc::not_found, "volume " + std::to_string(layout_.id) + " was deleted here"};
  return {};
}

std::uint32_t volume_extents_impl::extent_count() const {
  return count_extents(layout_);
}

std::uint64_t volume_extents_impl::extent_offset(std::uint32_t extent) const {
  return static_cast<std::uint64_t>(extent) * layout_.extent_bytes;
}

std::uint64_t volume_extents_impl::extent_length(std::uint32_t extent) const {
  return std::min<std::uint64_t>(layout_.extent_bytes, layout_.size_bytes - extent_offset(extent));
}

result<void> volume_extents_impl::check_range(std::uint64_t offset, std::uint64_t length) const {
  if (offset > layout_.size_bytes || length > layout_.size_bytes - offset)
    return fault{errc::invalid,
                 "a request reaches past the end of volume " + std::to_string(layout_.id)};
  return {};
}

/// Sorted, without duplicates.
result<std::vector<std::uint32_t>>
volume_extents_impl::check_extents(std::span<const std::uint32_t> extents) const {
  std::vector<std::uint32_t> out(extents.begin(), extents.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (!out.empty() && out.back() >= extent_count())
    return fault{errc::invalid, "volume " + std::to_string(layout_.id) + " has no extent "
                                    + std::to_string(out.back())};
  return out;
}

extent_state volume_extents_impl::state_of(std::uint32_t extent) {
  auto state = states_.get(extent);
  if (state != extent_state::unknown)
    return state;
  return states_.learn(extent,
                       layout_.is_home(extent) ? extent_state::home_zeroes : extent_state::foreign);
}

void volume_extents_impl::change_state(std::uint32_t extent, extent_state to) {
  states_.set(extent, to);
  std::lock_guard lock(sets_mutex_);
  auto keep = [&](roaring::Roaring& set, extent_state means) {
    if (to == means)
      set.add(extent);
    else
      set.remove(extent);
  };
  keep(sets_.present, extent_state::present);
  keep(sets_.staged, extent_state::staged);
  keep(sets_.retired, extent_state::retired);
  keep(sets_.lost, extent_state::lost);
}

segment_file& volume_extents_impl::segment_at(std::uint64_t offset) const {
  auto* found = segments_[offset / segment_bytes].load(std::memory_order_acquire);
  FORESHIFT_ENSURE(found != nullptr);
  return *found;
}

result<void> volume_extents_impl::ensure_segment(std::uint64_t offset) {
  auto number = offset / segment_bytes;
  if (segments_[number].load(std::memory_order_acquire))
    return {};
  std::lock_guard lock(segments_mutex_);
  if (segments_[number].load())
    return {};
  auto size = std::min(segment_bytes, layout_.size_bytes - number * segment_bytes);
  auto made =
      segment_file::open(disk_->io, directory_, static_cast<std::uint32_t>(number), size, {});
  if (!made)
    return made.error();
  segments_[number] = made->get();
  opened_.push_back(std::move(*made));
  return {};
}

} // namespace foreshift
