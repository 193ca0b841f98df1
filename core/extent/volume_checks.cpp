// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <memory>
#include <new>

namespace foreshift {

namespace {

constexpr std::uint64_t checked_bytes = 256u << 10; ///< Read from the medium at once.

struct aligned_delete {
  void operator()(std::byte* at) const { ::operator delete[](at, std::align_val_t{block_bytes}); }
};

} // namespace

std::uint64_t volume_extents_impl::corrupt_blocks() const {
  std::uint64_t out = 0;
  for (const auto& at : segments_)
    if (const auto* segment = at.load(std::memory_order_acquire))
      out += segment->corrupt_blocks();
  return out;
}

roaring::Roaring volume_extents_impl::corrupt_extents() const {
  std::lock_guard lock(corrupt_mutex_);
  return corrupt_;
}

void volume_extents_impl::note_corrupt(std::uint32_t extent, bool corrupt) {
  std::lock_guard lock(corrupt_mutex_);
  if (corrupt)
    corrupt_.add(extent);
  else
    corrupt_.remove(extent);
}

fault volume_extents_impl::found_corrupt(segment_file& segment, std::uint64_t offset,
                                         std::uint32_t extent) {
  note_corrupt(extent, true);
  return segment.corrupt_block(offset, extent);
}

result<std::uint64_t> volume_extents_impl::check(std::uint32_t extent) {
  if (extent >= extent_count())
    return fault{errc::invalid, "no such extent"};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::unique_ptr<std::byte[], aligned_delete> buffer(new (std::align_val_t{block_bytes})
                                                          std::byte[checked_bytes]);
  auto start = extent_offset(extent);
  std::uint64_t done = 0;
  bool clean = true;
  while (done < extent_length(extent)) {
    if (state_of(extent) != extent_state::present) {
      note_corrupt(extent, false);
      return done;
    }
    auto& segment = segment_at(start);
    auto at = start % segment_bytes + done;
    auto size = std::min(checked_bytes, extent_length(extent) - done);
    std::span<std::byte> out(buffer.get(), size);
    auto wrong = segment.read_medium(at, out);
    if (wrong && *wrong) {
      std::lock_guard lock(stripe(extent));
      wrong = segment.read_medium(at, out);
      if (wrong && *wrong && states_.get(extent) == extent_state::present) {
        slog::error("scrub: {}", found_corrupt(segment, **wrong, extent).detail);
        clean = false;
      }
    }
    if (!wrong)
      return wrong.error();
    done += size;
  }
  if (clean)
    note_corrupt(extent, false);
  return done;
}

/// Data in extents that have none here: what a crash left.
result<std::uint64_t> volume_extents_impl::free_strays(segment_file& segment, std::uint64_t start) {
  std::uint64_t freed = 0;
  auto end = std::min(segment_bytes, layout_.size_bytes - start);
  for (std::uint64_t at = 0; at < end;) {
    auto data = segment.next_data(at);
    if (!data)
      return data.error();
    if (!*data || **data >= end)
      break;
    auto extent = static_cast<std::uint32_t>((start + **data) / layout_.extent_bytes);
    at = extent_offset(extent) + layout_.extent_bytes - start;
    std::lock_guard moves(moves_mutex_); // a copy is prepared before it is staged
    std::lock_guard lock(stripe(extent));
    auto state = state_of(extent);
    if (state != extent_state::foreign && state != extent_state::retired
        && state != extent_state::home_zeroes)
      continue;
    slog::warn("volume {} frees data of extent {}, which is not on this host", layout_.id, extent);
    if (auto ok = clear_extent(extent); !ok)
      return ok.error();
    freed += extent_length(extent);
  }
  return freed;
}

result<std::uint64_t> volume_extents_impl::check_files() {
  if (auto ok = alive(); !ok)
    return ok.error();
  std::uint64_t freed = 0;
  for (std::size_t number = 0; number < segments_.size(); ++number)
    if (auto* segment = segments_[number].load(std::memory_order_acquire)) {
      auto some = free_strays(*segment, number * segment_bytes);
      if (!some)
        return some;
      freed += *some;
    }
  for (auto extent : inventory().present) {
    std::lock_guard lock(stripe(extent));
    if (states_.get(extent) != extent_state::present)
      continue;
    auto& segment = segment_at(extent_offset(extent));
    auto at = extent_offset(extent) % segment_bytes;
    auto data = segment.has_data(at, extent_length(extent));
    if (!data)
      return data.error();
    if (*data || segment.is_zero(at, extent_length(extent)))
      continue;
    note_corrupt(extent, true);
    slog::error("volume {} has no data of extent {}, but checksums of it", layout_.id, extent);
  }
  return freed;
}

} // namespace foreshift
