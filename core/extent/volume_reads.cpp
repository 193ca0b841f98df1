// SPDX-License-Identifier: Apache-2.0
#include "core/extent/volume_extents_impl.hpp"

#include "core/base/planted.hpp"

#include <algorithm>
#include <cstring>

namespace foreshift {

result<void> volume_extents_impl::read_verified(std::uint64_t offset, std::span<std::byte> out) {
  if (offset % block_bytes != 0 || out.size() % block_bytes != 0)
    return fault{errc::invalid, "a verified read is whole blocks of 4 KiB"};
  if (auto ok = check_range(offset, out.size()); !ok)
    return ok;
  if (auto ok = alive(); !ok)
    return ok;
  return each_part(offset, out.size(), [&](const extent_part& part) {
    return read_part(part, out.subspan(part.done, part.length));
  });
}

result<void> volume_extents_impl::read_part(const extent_part& part, std::span<std::byte> out) {
  if (auto ok = usable(); !ok)
    return ok;
  auto state = state_of(part.extent);
  if (state == extent_state::home_zeroes) {
    std::memset(out.data(), 0, out.size());
    return {};
  }
  if (state != extent_state::present)
    return not_here(part.extent);
  auto& segment = segment_at(part.offset);
  auto wrong = segment.read(part.offset % segment_bytes, out);
  if (wrong && *wrong) {
    // A write may be between data and checksum; with the extent held still there is no excuse.
    std::lock_guard lock(stripe(part.extent));
    wrong = segment.read(part.offset % segment_bytes, out);
    if (wrong && *wrong && states_.get(part.extent) == extent_state::present
        && !planted(bug::serve_corrupt))
      return found_corrupt(segment, **wrong, part.extent);
  }
  // The extent may have been retired and its space freed meanwhile: that is not zeroes.
  auto after = state_of(part.extent);
  if (after != extent_state::present && after != extent_state::home_zeroes)
    return not_here(part.extent);
  if (!wrong)
    return wrong.error();
  return {};
}

result<std::vector<std::uint64_t>>
volume_extents_impl::digests(std::span<const std::uint32_t> extents) {
  if (auto checked = check_extents(extents); !checked)
    return checked.error();
  if (auto ok = usable(); !ok)
    return ok.error();
  std::vector<std::uint64_t> out;
  out.reserve(extents.size());
  for (auto extent : extents) {
    std::lock_guard lock(stripe(extent));
    auto state = state_of(extent);
    auto stored = state == extent_state::present || state == extent_state::staged;
    if (!stored && state != extent_state::home_zeroes)
      return not_here(extent); // which is not the same as zeroes
    auto offset = extent_offset(extent);
    out.push_back(stored ? segment_at(offset).digest(offset % segment_bytes, extent_length(extent))
                         : 0);
  }
  return out;
}

extent_inventory volume_extents_impl::inventory() const {
  std::lock_guard lock(sets_mutex_);
  return sets_;
}

std::vector<std::uint64_t> volume_extents_impl::moves_staged() const {
  std::vector<std::uint64_t> out;
  {
    std::lock_guard lock(staging_mutex_);
    for (const auto& [extent, copy] : staged_)
      out.push_back(copy.move);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::uint64_t volume_extents_impl::bytes_present() const {
  std::uint64_t out = 0;
  for (const auto& at : segments_)
    if (const auto* segment = at.load(std::memory_order_acquire))
      out += segment->bytes_allocated();
  return out;
}

} // namespace foreshift
