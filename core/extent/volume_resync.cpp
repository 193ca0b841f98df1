// SPDX-License-Identifier: Apache-2.0
// A replica's return: what it has is staged as it is, compared by blocks, and made good. Beside it
// what its peers note while it is out.
#include "core/extent/volume_extents_impl.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace foreshift {

namespace {

constexpr std::size_t piece_blocks = 64; ///< Read at once for hashing.

XXH128_canonical_t hash_of(const std::byte* block) {
  XXH128_canonical_t out;
  XXH128_canonicalFromHash(&out, XXH3_128bits(block, block_bytes));
  static_assert(sizeof out == block_hash_bytes);
  return out;
}

} // namespace

/// Under `moves_mutex_`.
bool volume_extents_impl::has_basis(std::uint32_t extent) {
  auto state = state_of(extent);
  return state == extent_state::present || state == extent_state::home_zeroes
         || state == extent_state::lost
         || (state == extent_state::staged && staged_at(extent)->basis);
}

result<void> volume_extents_impl::may_resync(std::uint64_t move, std::uint32_t extent,
                                             bool& already) {
  if (state_of(extent) != extent_state::present && state_of(extent) != extent_state::home_zeroes)
    return may_stage(move, extent, already);
  already = false;
  auto record = disk_->records->extent(layout_.id, extent);
  if (!record)
    return record.error();
  // A late request must not take away what its own move, or a later one, has made good.
  if (*record && (*record)->move >= move)
    return fault{errc::refused, "extent " + std::to_string(extent)
                                    + " is a replica here by this move or a later one"};
  return {};
}

result<void> volume_extents_impl::stage_resync(std::uint64_t move,
                                               std::span<const std::uint32_t> extents) {
  std::lock_guard moves(moves_mutex_);
  auto sorted = admit_move(move, extents);
  if (!sorted)
    return sorted.error();
  std::vector<record_change> fresh;
  std::vector<std::uint32_t> empty;
  for (auto extent : *sorted) {
    bool already = false;
    if (auto ok = may_resync(move, extent, already); !ok)
      return ok;
    if (already)
      continue;
    auto basis = has_basis(extent);
    auto kind = basis ? extent_record::kind::resync : extent_record::kind::staged;
    fresh.push_back({extent, extent_record{kind, move}});
    if (!basis || state_of(extent) == extent_state::home_zeroes)
      empty.push_back(extent);
  }
  if (auto ok = check_room(empty.size()); !ok)
    return ok;
  // In memory first: whoever still takes this for a replica must not make or erase a record.
  std::vector<std::pair<std::uint32_t, extent_state>> former;
  for (const auto& change : fresh) {
    std::lock_guard lock(stripe(change.extent));
    auto state = state_of(change.extent);
    if (state != extent_state::present && state != extent_state::home_zeroes)
      continue;
    former.emplace_back(change.extent, state);
    change_state(change.extent, extent_state::lost);
  }
  auto staged = [&]() -> result<void> {
    for (auto extent : empty)
      if (auto ok = prepare_copy(extent); !ok)
        return ok;
    return enter_staged(move, fresh);
  }();
  if (!staged)
    for (const auto& [extent, state] : former)
      change_state(extent, state);
  return staged;
}

result<std::vector<std::vector<std::byte>>>
volume_extents_impl::block_hashes(std::span<const std::uint32_t> extents) {
  if (auto checked = check_extents(extents); !checked)
    return checked.error();
  if (auto ok = usable(); !ok)
    return ok.error();
  std::vector<std::vector<std::byte>> out;
  std::vector<std::byte> piece(piece_blocks * block_bytes);
  for (auto extent : extents) {
    auto& hashes = out.emplace_back();
    if (state_of(extent) == extent_state::home_zeroes)
      continue;
    auto begin = extent_offset(extent);
    auto end = begin + extent_length(extent);
    hashes.reserve(extent_length(extent) / block_bytes * block_hash_bytes);
    bool zeroes = state_of(extent) == extent_state::present
                  && segment_at(begin).is_zero(begin % segment_bytes, end - begin);
    for (auto at = begin; at < end && !zeroes; at += piece.size()) {
      auto some = std::span(piece).first(std::min<std::uint64_t>(piece.size(), end - at));
      if (auto ok = read_verified(at, some); !ok)
        return ok.error();
      for (std::size_t i = 0; i < some.size(); i += block_bytes) {
        auto hash = hash_of(some.data() + i);
        const auto* bytes = reinterpret_cast<const std::byte*>(hash.digest);
        hashes.insert(hashes.end(), bytes, bytes + block_hash_bytes);
      }
    }
  }
  return out;
}

result<std::vector<bool>> volume_extents_impl::differing(std::uint64_t move, std::uint32_t extent,
                                                         std::span<const std::byte> hashes) {
  if (extent >= extent_count())
    return fault{errc::invalid, "no such extent"};
  auto blocks = extent_length(extent) / block_bytes;
  if (!hashes.empty() && hashes.size() != blocks * block_hash_bytes)
    return fault{errc::malformed, "a hash for each block, or none for zeroes"};
  if (auto ok = alive(); !ok)
    return ok.error();
  if (auto ok = usable(); !ok)
    return ok.error();
  static const std::vector<std::byte> zeroes(block_bytes);
  const auto zero_hash = hash_of(zeroes.data());
  std::vector<bool> out(blocks);
  std::vector<std::byte> own(block_bytes);
  // Held for all of it: a mirrored write must not come between a block's look and its verdict.
  std::lock_guard lock(stripe(extent));
  const auto* copy = staged_at(extent);
  if (states_.get(extent) != extent_state::staged || copy->move != move || copy->broken)
    return fault{errc::refused, "extent " + std::to_string(extent) + " is not staged by this move"};
  auto& segment = segment_at(extent_offset(extent));
  for (std::size_t i = 0; i < blocks; ++i) {
    if (copy->filled[i])
      continue;
    auto at = (extent_offset(extent) + i * block_bytes) % segment_bytes;
    const void* want = hashes.empty() ? static_cast<const void*>(zero_hash.digest)
                                      : hashes.data() + i * block_hash_bytes;
    auto wrong = segment.read(at, own);
    auto hash = hash_of(own.data());
    // A block whose data or checksum is an old one after a power loss is copied as well.
    out[i] = !wrong || *wrong || std::memcmp(&hash, want, block_hash_bytes) != 0;
  }
  return out;
}

result<void> volume_extents_impl::watch(std::uint64_t since) {
  if (auto ok = alive(); !ok)
    return ok;
  return notes_.watch(since);
}

result<void> volume_extents_impl::unwatch(std::uint64_t since) {
  return notes_.unwatch(since);
}

std::optional<roaring::Roaring> volume_extents_impl::changed(std::uint64_t since) const {
  return notes_.changed(since);
}

} // namespace foreshift
