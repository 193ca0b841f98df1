// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/planted.hpp"
#include "core/base/units.hpp"
#include "core/extent/block_checksum.hpp"

#include <algorithm>

namespace foreshift {

namespace {

std::string named(std::uint32_t extent) {
  return "extent " + std::to_string(extent);
}

fault restarted(std::uint32_t extent) {
  return {errc::precondition, named(extent) + " was staged before a restart; abort that move"};
}

} // namespace

volume_extents_impl::staged_copy* volume_extents_impl::staged_at(std::uint32_t extent) {
  std::lock_guard lock(staging_mutex_);
  auto at = staged_.find(extent);
  return at == staged_.end() ? nullptr : &at->second;
}

result<std::vector<std::uint32_t>>
volume_extents_impl::admit_move(std::uint64_t move, std::span<const std::uint32_t> extents) const {
  if (move == 0)
    return fault{errc::invalid, "a move has an id"};
  if (auto ok = alive(); !ok)
    return ok.error();
  if (auto ok = usable(); !ok)
    return ok.error();
  return check_extents(extents);
}

result<void> volume_extents_impl::may_stage(std::uint64_t move, std::uint32_t extent,
                                            bool& already) {
  already = false;
  auto state = state_of(extent);
  if (state == extent_state::present || state == extent_state::home_zeroes)
    return fault{errc::exists, named(extent) + " is already a replica here"};
  if (state != extent_state::staged)
    return {};
  const auto* copy = staged_at(extent);
  if (copy->move > move)
    return fault{errc::refused, named(extent) + " is staged by a later move"};
  if (copy->move == move && copy->broken)
    return restarted(extent);
  already = copy->move == move;
  return {};
}

/// Frees data and checksums of an extent whose segment is open.
result<void> volume_extents_impl::clear_extent(std::uint32_t extent) {
  auto offset = extent_offset(extent);
  return segment_at(offset).clear(offset % segment_bytes, extent_length(extent));
}

/// Makes an empty place for a copy: whatever a former owner left must not be seen.
result<void> volume_extents_impl::prepare_copy(std::uint32_t extent) {
  auto offset = extent_offset(extent);
  if (auto ok = ensure_segment(offset); !ok)
    return ok;
  std::lock_guard lock(stripe(extent));
  if (auto* former = staged_at(extent))
    former->broken = true;
  if (auto ok = clear_extent(extent); !ok)
    return ok;
  return segment_at(offset).reserve_checksums(offset % segment_bytes, extent_length(extent));
}

result<void> volume_extents_impl::stage(std::uint64_t move,
                                        std::span<const std::uint32_t> extents) {
  std::lock_guard moves(moves_mutex_);
  auto sorted = admit_move(move, extents);
  if (!sorted)
    return sorted.error();
  std::vector<record_change> fresh;
  for (auto extent : *sorted) {
    bool already = false;
    if (auto ok = may_stage(move, extent, already); !ok)
      return ok;
    if (!already)
      fresh.push_back({extent, extent_record{extent_record::kind::staged, move}});
  }
  if (auto ok = check_room(fresh.size()); !ok)
    return ok;
  for (const auto& change : fresh)
    if (auto ok = prepare_copy(change.extent); !ok)
      return ok;
  return enter_staged(move, fresh);
}

result<void> volume_extents_impl::check_room(std::size_t extents) const {
  auto space = disk_->space();
  if (!space)
    return space.error();
  if (extents * layout_.extent_bytes > space->free_bytes)
    return fault{errc::no_space, "staging " + std::to_string(extents)
                                     + " extents would break the reserve: "
                                     + format_bytes(space->free_bytes) + " free above it"};
  return {};
}

/// Copies whose places are made; durable.
result<void> volume_extents_impl::enter_staged(std::uint64_t move,
                                               std::span<const record_change> fresh) {
  if (auto ok = disk_->records->change_extents(layout_.id, fresh); !ok)
    return ok;
  for (const auto& change : fresh) {
    std::lock_guard lock(stripe(change.extent));
    {
      std::lock_guard staging(staging_mutex_);
      staged_[change.extent] = {move, false, change.record->state == extent_record::kind::resync,
                                std::vector<bool>(extent_length(change.extent) / block_bytes)};
    }
    change_state(change.extent, extent_state::staged);
  }
  return {};
}

result<std::uint64_t> volume_extents_impl::fill(std::uint64_t move, std::uint32_t extent,
                                                std::uint32_t offset_in_extent,
                                                std::span<const std::byte> in) {
  if (extent >= extent_count() || offset_in_extent % block_bytes != 0
      || in.size() % block_bytes != 0 || offset_in_extent > extent_length(extent)
      || in.size() > extent_length(extent) - offset_in_extent)
    return fault{errc::invalid, "a fill is whole blocks inside of one extent"};
  if (auto ok = alive(); !ok)
    return ok.error();
  if (auto ok = usable(); !ok)
    return ok.error();
  if (auto ok = boot_.note(); !ok)
    return ok.error();
  auto space = disk_->space();
  if (!space)
    return space.error();
  if (space->free_bytes < in.size())
    return fault{errc::no_space, "a pulled copy would break the reserve"};
  if (auto ok = notes_.note(extent); !ok)
    return ok.error();
  std::lock_guard lock(stripe(extent));
  const auto* copy = staged_at(extent);
  if (states_.get(extent) != extent_state::staged || copy->move != move)
    return fault{errc::refused, named(extent) + " is not staged by this move"};
  if (copy->broken)
    return restarted(extent);
  return store_unfilled(*copy, extent_offset(extent) + offset_in_extent, in);
}

/// Writes the blocks that no mirrored write has filled; `base` is the volume's offset of `in`.
result<std::uint64_t> volume_extents_impl::store_unfilled(const staged_copy& copy,
                                                          std::uint64_t base,
                                                          std::span<const std::byte> in) {
  auto& segment = segment_at(base);
  auto first = base % layout_.extent_bytes / block_bytes;
  auto blocks = in.size() / block_bytes;
  auto wanted = [&](std::size_t i) {
    return !copy.filled[first + i] || planted(bug::fill_over_mirrored);
  };
  // A block of zeroes over nothing stays a hole. What a basis has may belie its checksum.
  auto stored = [&](std::size_t i) {
    return wanted(i)
           && (copy.basis || !is_zero_block(in.data() + i * block_bytes)
               || !segment.is_zero((base + i * block_bytes) % segment_bytes, block_bytes));
  };
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < blocks;) {
    auto run = i;
    while (run < blocks && stored(run))
      ++run;
    if (run == i) {
      taken += wanted(i) ? block_bytes : 0;
      ++i;
      continue;
    }
    auto bytes = in.subspan(i * block_bytes, (run - i) * block_bytes);
    if (auto ok = segment.write((base + i * block_bytes) % segment_bytes, bytes); !ok)
      return ok.error();
    taken += bytes.size();
    i = run;
  }
  return taken;
}

result<void> volume_extents_impl::sync_staged(std::uint64_t) {
  // Copies of a move lie in few segments, and a segment that is clean costs nothing.
  return sync_segments();
}

result<void> volume_extents_impl::may_commit(std::uint64_t move, std::uint32_t extent,
                                             bool& already) {
  auto state = state_of(extent);
  already = false;
  if (state == extent_state::staged && staged_at(extent)->move == move)
    return staged_at(extent)->broken ? result<void>(restarted(extent)) : result<void>();
  if (state == extent_state::present) {
    auto record = disk_->records->extent(layout_.id, extent);
    if (!record)
      return record.error();
    already = *record && (*record)->move == move;
  }
  if (!already)
    return fault{errc::refused, named(extent) + " is not staged by this move"};
  return {};
}

result<void> volume_extents_impl::commit(std::uint64_t move,
                                         std::span<const std::uint32_t> extents) {
  std::lock_guard moves(moves_mutex_);
  auto sorted = admit_move(move, extents);
  if (!sorted)
    return sorted.error();
  std::vector<record_change> added;
  for (auto extent : *sorted) {
    bool already = false;
    if (auto ok = may_commit(move, extent, already); !ok)
      return ok;
    if (!already)
      added.push_back({extent, extent_record{extent_record::kind::present, move}});
  }
  if (auto ok = disk_->records->change_extents(layout_.id, added); !ok)
    return ok;
  for (const auto& change : added) {
    std::lock_guard lock(stripe(change.extent));
    change_state(change.extent, extent_state::present);
    std::lock_guard staging(staging_mutex_);
    staged_.erase(change.extent);
  }
  return {};
}

result<void> volume_extents_impl::abort(std::uint64_t move) {
  std::lock_guard moves(moves_mutex_);
  if (auto ok = alive(); !ok)
    return ok;
  std::vector<record_change> gone;
  {
    std::lock_guard staging(staging_mutex_);
    for (const auto& [extent, copy] : staged_)
      if (copy.move == move)
        gone.push_back({extent, std::nullopt});
  }
  for (auto& change : gone) {
    std::lock_guard lock(stripe(change.extent));
    auto* copy = staged_at(change.extent);
    copy->broken = true;
    if (copy->basis) {
      change.record = extent_record{extent_record::kind::lost, move};
      continue;
    }
    // A home that staged a copy had given the extent away, and is back there.
    if (layout_.is_home(change.extent))
      change.record = extent_record{extent_record::kind::retired, 0};
    if (auto ok = clear_extent(change.extent); !ok)
      return ok;
  }
  if (auto ok = disk_->records->change_extents(layout_.id, gone); !ok)
    return ok;
  for (const auto& change : gone) {
    std::lock_guard lock(stripe(change.extent));
    change_state(change.extent, !change.record ? extent_state::foreign
                                : change.record->state == extent_record::kind::lost
                                    ? extent_state::lost
                                    : extent_state::retired);
    std::lock_guard staging(staging_mutex_);
    staged_.erase(change.extent);
  }
  return {};
}

result<void> volume_extents_impl::retire(std::span<const std::uint32_t> extents) {
  auto sorted = check_extents(extents);
  if (!sorted)
    return sorted.error();
  std::lock_guard moves(moves_mutex_);
  if (auto ok = alive(); !ok)
    return ok;
  std::vector<record_change> gone;
  std::vector<extent_state> former;
  for (auto extent : *sorted)
    if (state_of(extent) == extent_state::staged)
      return fault{errc::precondition, named(extent) + " is staged by a move; abort that first"};
  for (auto extent : *sorted) {
    std::lock_guard lock(stripe(extent));
    auto state = state_of(extent);
    if (state != extent_state::present && state != extent_state::home_zeroes
        && state != extent_state::lost)
      continue;
    // In memory first: no write may make a record after the one that retires the extent.
    change_state(extent, extent_state::retired);
    gone.push_back({extent, extent_record{extent_record::kind::retired, 0}});
    former.push_back(state);
  }
  if (auto ok = disk_->records->change_extents(layout_.id, gone); !ok) {
    for (std::size_t i = 0; i < gone.size(); ++i)
      change_state(gone[i].extent, former[i]);
    return ok;
  }
  for (std::size_t i = 0; i < gone.size(); ++i) {
    auto extent = gone[i].extent;
    std::lock_guard lock(stripe(extent));
    if (former[i] != extent_state::home_zeroes)
      if (auto ok = clear_extent(extent); !ok)
        return ok;
    if (layout_.is_home(extent))
      continue;
    if (auto ok = disk_->records->erase_extent(layout_.id, extent); !ok)
      return ok;
    change_state(extent, extent_state::foreign);
  }
  return {};
}

} // namespace foreshift
