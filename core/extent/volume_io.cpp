// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/planted.hpp"

#include <algorithm>
#include <vector>

namespace foreshift {

fault volume_extents_impl::stale(io_permit permit) const {
  if (auto ok = alive(); !ok)
    return ok.error();
  auto now = fence();
  return {errc::refused, "epoch " + std::to_string(permit.epoch) + " may not use volume "
                             + std::to_string(layout_.id) + ": it is at epoch "
                             + std::to_string(now.epoch) + " of '" + now.holder + "'"};
}

fault volume_extents_impl::not_here(std::uint32_t extent) const {
  return {errc::refused, "extent " + std::to_string(extent) + " of volume "
                             + std::to_string(layout_.id) + " is not on this host"};
}

result<void> volume_extents_impl::read(io_permit permit, std::uint64_t offset,
                                       std::span<std::byte> out) {
  if (auto ok = check_range(offset, out.size()); !ok)
    return ok;
  if (permit.move != 0)
    return fault{errc::refused, "a session for mirrored writes may not read"};
  auto pass = gate_.enter(permit.epoch);
  if (!pass)
    return stale(permit);
  return each_part(offset, out.size(), [&](const extent_part& part) {
    return read_part(part, out.subspan(part.done, part.length));
  });
}

result<void> volume_extents_impl::write(io_permit permit, std::uint64_t offset,
                                        std::span<const std::byte> in) {
  if (auto ok = check_range(offset, in.size()); !ok)
    return ok;
  auto pass = gate_.enter(permit.epoch);
  if (!pass)
    return stale(permit);
  return each_part(offset, in.size(), [&](const extent_part& part) {
    if (auto ok = notes_.note(part.extent); !ok)
      return ok;
    std::lock_guard lock(stripe(part.extent));
    return write_part(permit, part, in.subspan(part.done, part.length));
  });
}

result<void> volume_extents_impl::zero(io_permit permit, std::uint64_t offset,
                                       std::uint64_t length) {
  if (auto ok = check_range(offset, length); !ok)
    return ok;
  auto pass = gate_.enter(permit.epoch);
  if (!pass && !planted(bug::zero_ignores_epoch))
    return stale(permit);
  return each_part(offset, length, [&](const extent_part& part) {
    if (auto ok = notes_.note(part.extent); !ok)
      return ok;
    std::lock_guard lock(stripe(part.extent));
    return zero_part(permit, part);
  });
}

result<void> volume_extents_impl::flush(io_permit permit) {
  auto pass = gate_.enter(permit.epoch);
  if (!pass)
    return stale(permit);
  return sync_segments();
}

result<void> volume_extents_impl::sync_segments() {
  if (auto ok = usable(); !ok)
    return ok;
  for (auto& at : segments_)
    if (auto* segment = at.load(std::memory_order_acquire))
      if (auto ok = segment->sync(); !ok && !planted(bug::forgive_sync))
        return fail(ok.error());
  auto synced = disk_->records->sync();
  if (!synced && synced.error().code == errc::no_space) // nothing was dropped, only not written yet
    return fault{errc::storage, synced.error().detail};
  if (!synced)
    return fail(synced.error());
  return {};
}

/// Whether this request may change this extent; makes the record of a home's first write.
result<void> volume_extents_impl::admit_write(io_permit permit, const extent_part& part) {
  if (auto ok = usable(); !ok)
    return ok;
  if (auto ok = boot_.note(); !ok)
    return ok;
  auto state = state_of(part.extent);
  if (permit.move != 0)
    return admit_mirrored(permit, part, state);
  if (state == extent_state::present)
    return {};
  if (state == extent_state::home_zeroes)
    return create_extent(part.extent);
  return not_here(part.extent);
}

result<void> volume_extents_impl::admit_mirrored(io_permit permit, const extent_part& part,
                                                 extent_state state) {
  auto name = "extent " + std::to_string(part.extent);
  if (state == extent_state::staged) {
    const auto* copy = staged_at(part.extent);
    if (copy->move != permit.move)
      return fault{errc::refused, name + " is staged by another move"};
    if (copy->broken)
      return fault{errc::precondition, name + " was staged before a restart; stage it anew"};
    if (!part.whole_blocks())
      return fault{errc::invalid, "a mirrored write needs whole blocks of 4 KiB"};
    return {};
  }
  if (state != extent_state::present)
    return not_here(part.extent);
  auto record = disk_->records->extent(layout_.id, part.extent);
  if (!record)
    return record.error();
  if (!*record || (*record)->move != permit.move)
    return fault{errc::refused, name + " was not added by this move"};
  return {};
}

result<void> volume_extents_impl::create_extent(std::uint32_t extent) {
  auto offset = extent_offset(extent);
  if (auto ok = ensure_segment(offset); !ok)
    return ok;
  auto& segment = segment_at(offset);
  auto at = offset % segment_bytes;
  if (auto ok = segment.reserve_checksums(at, extent_length(extent)); !ok)
    return ok;
  // The record first: data without a record would be an orphan.
  auto put = disk_->records->put_extent(layout_.id, extent, {extent_record::kind::present, 0});
  if (put)
    change_state(extent, extent_state::present);
  return put;
}

intent_log::claim volume_extents_impl::begin_change(std::uint64_t offset, std::uint64_t length) {
  auto first = offset / block_bytes * block_bytes;
  auto end = (offset + length + block_bytes - 1) / block_bytes * block_bytes;
  return intents_->begin({1, first, end - first});
}

void volume_extents_impl::note_filled(io_permit permit, const extent_part& part) {
  if (permit.move == 0 || states_.get(part.extent) != extent_state::staged)
    return;
  auto first = part.offset % layout_.extent_bytes / block_bytes;
  auto& filled = staged_at(part.extent)->filled;
  std::fill_n(filled.begin() + static_cast<std::ptrdiff_t>(first), part.length / block_bytes, true);
}

result<void> volume_extents_impl::write_part(io_permit permit, const extent_part& part,
                                             std::span<const std::byte> in) {
  if (auto ok = admit_write(permit, part); !ok)
    return ok;
  auto claim = begin_change(part.offset, part.length);
  auto ok = segment_at(part.offset).write(part.offset % segment_bytes, in);
  if (ok)
    note_filled(permit, part);
  else if (ok.error().code == errc::corrupt)
    note_corrupt(part.extent, true);
  return ok;
}

result<void> volume_extents_impl::zero_part(io_permit permit, const extent_part& part) {
  if (permit.move == 0 && state_of(part.extent) == extent_state::home_zeroes)
    return usable();
  if (auto ok = admit_write(permit, part); !ok)
    return ok;
  static const std::vector<std::byte> zeroes(block_bytes);
  auto end = part.offset + part.length;
  auto first = (part.offset + block_bytes - 1) / block_bytes * block_bytes;
  auto last = end / block_bytes * block_bytes;
  auto& segment = segment_at(part.offset);
  auto write_zeroes = [&](std::uint64_t from, std::uint64_t to) -> result<void> {
    return segment.write(from % segment_bytes, std::span(zeroes).first(to - from));
  };
  auto claim = begin_change(part.offset, part.length);
  if (first > last) // inside of one block
    return write_zeroes(part.offset, end);
  if (part.offset < first)
    if (auto ok = write_zeroes(part.offset, first); !ok)
      return ok;
  if (auto ok = segment.clear(first % segment_bytes, last - first); !ok)
    return ok;
  if (last < end)
    if (auto ok = write_zeroes(last, end); !ok)
      return ok;
  note_filled(permit, part);
  if (permit.move == 0)
    release_if_zero(part.extent);
  return {};
}

/// A home's extent of zeroes needs neither space nor a record. One that a move added keeps its
/// record: it says whose mirrored writes are still good. Failing costs a few bytes, so it is not
/// reported.
void volume_extents_impl::release_if_zero(std::uint32_t extent) {
  auto offset = extent_offset(extent);
  auto& segment = segment_at(offset);
  if (!segment.is_zero(offset % segment_bytes, extent_length(extent)) || !layout_.is_home(extent))
    return;
  auto record = disk_->records->extent(layout_.id, extent);
  if (!record || !*record || (*record)->move != 0)
    return;
  if (segment.clear(offset % segment_bytes, extent_length(extent))
      && disk_->records->erase_extent(layout_.id, extent))
    change_state(extent, extent_state::home_zeroes);
}

} // namespace foreshift
