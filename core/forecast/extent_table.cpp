// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/extent_table.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace foreshift {

namespace {

constexpr std::uint32_t hash_of(std::uint32_t extent) {
  return static_cast<std::uint32_t>((extent * 0x9e3779b97f4a7c15ull) >> 32);
}

int count_of(const page_set& pages) {
  int out = 0;
  for (auto word : pages)
    out += std::popcount(word);
  return out;
}

template <class T>
void gather(std::vector<T>& values, std::span<const std::uint32_t> slots) {
  for (std::size_t i = 0; i < slots.size(); ++i)
    values[i] = values[slots[i]];
  values.resize(slots.size());
}

} // namespace

extent_table::extent_table(std::uint32_t extent_bytes)
    : extent_bytes_(extent_bytes), page_bytes_(std::max(4096u, (extent_bytes + 255) / 256)),
      pages_((extent_bytes + page_bytes_ - 1) / page_bytes_), index_(64) {}

std::uint32_t& extent_table::home_of(std::uint32_t extent) {
  auto mask = static_cast<std::uint32_t>(index_.size() - 1);
  auto at = hash_of(extent) & mask;
  while (index_[at] != 0 && extents_[index_[at] - 1] != extent)
    at = (at + 1) & mask;
  return index_[at];
}

std::uint32_t extent_table::find(std::uint32_t extent) const {
  return const_cast<extent_table*>(this)->home_of(extent) - 1; // 0 - 1 is `none`
}

std::uint32_t extent_table::add(std::uint32_t extent, std::uint32_t window) {
  auto slot = static_cast<std::uint32_t>(size());
  auto& home = home_of(extent);
  FORESHIFT_ENSURE(home == 0);
  home = slot + 1;
  extents_.push_back(extent);
  last_window.push_back(window);
  pending.push_back(none);
  picked_by.push_back(0);
  bytes_mean_.push_back(0);
  touched_.emplace_back();
  touches_.push_back(0);
  touched_before_.push_back(0);
  generation_.push_back(0);
  if (2 * size() > index_.size())
    rebuild_index();
  return slot;
}

void extent_table::rebuild_index() {
  index_.assign(std::bit_ceil(std::max<std::size_t>(64, 3 * size())), 0);
  for (std::uint32_t slot = 0; slot < size(); ++slot)
    home_of(extents_[slot]) = slot + 1;
}

void extent_table::keep(std::span<const std::uint32_t> slots) {
  gather(extents_, slots);
  gather(last_window, slots);
  gather(pending, slots);
  gather(picked_by, slots);
  gather(bytes_mean_, slots);
  gather(touched_, slots);
  gather(touches_, slots);
  gather(touched_before_, slots);
  gather(generation_, slots);
  rebuild_index();
}

void extent_table::touch(std::uint32_t slot, std::uint32_t begin, std::uint32_t bytes,
                         std::uint16_t generation) {
  auto& pages = touched_[slot];
  if (generation_[slot] != generation) {
    auto next = static_cast<std::uint16_t>(generation_[slot] + 1) == generation;
    touched_before_[slot] = next ? static_cast<std::uint16_t>(count_of(pages)) : std::uint16_t{0};
    pages = {};
    touches_[slot] = 0;
    generation_[slot] = generation;
  }
  auto& mean = bytes_mean_[slot];
  mean += (static_cast<float>(bytes) - mean) * (mean == 0 ? 1.0f : 0.1f);
  if (bytes == 0)
    return;
  auto first = begin / page_bytes_;
  auto last = (begin + bytes - 1) / page_bytes_;
  for (auto page = first; page <= last; ++page)
    pages[page / 64] |= std::uint64_t{1} << (page % 64);
  touches_[slot] += static_cast<float>(last - first + 1);
}

float extent_table::working_set_pages(std::uint32_t slot) const {
  auto distinct = static_cast<float>(count_of(touched_[slot]));
  auto touches = touches_[slot];
  auto seen_among = [&](float pages) { return pages * (1 - std::exp(-touches / pages)); };
  auto before = static_cast<float>(touched_before_[slot]);
  auto high = static_cast<float>(pages_);
  if (distinct == 0 || seen_among(high) <= distinct)
    return distinct == 0 && before > 0 ? before : high;
  // seen_among grows with its argument; find where it equals what was seen.
  auto low = distinct;
  for (int i = 0; i < 10; ++i) {
    auto middle = (low + high) / 2;
    (seen_among(middle) < distinct ? low : high) = middle;
  }
  return std::max(high, before);
}

float extent_table::distinct_bytes(std::uint32_t slot, float accesses) const {
  auto held = working_set_pages(slot) * static_cast<float>(page_bytes_);
  held = std::min(held, static_cast<float>(extent_bytes_));
  return held * (1 - std::exp(-accesses * bytes_mean_[slot] / held));
}

void extent_table::save(byte_writer& out) const {
  out.put_all(extents_);
  out.put_all(last_window);
  out.put_all(pending);
  out.put_all(picked_by);
  out.put_all(bytes_mean_);
  out.put_all(touched_);
  out.put_all(touches_);
  out.put_all(touched_before_);
  out.put_all(generation_);
}

bool extent_table::load(byte_reader& in, std::size_t size_max, std::uint64_t extent_end) {
  extents_ = in.get_all<std::uint32_t>(size_max);
  auto count = extents_.size();
  last_window = in.get_column<std::uint32_t>(count);
  pending = in.get_column<std::uint32_t>(count);
  picked_by = in.get_column<std::uint32_t>(count);
  bytes_mean_ = in.get_amounts(count);
  touched_ = in.get_column<page_set>(count);
  touches_ = in.get_amounts(count);
  touched_before_ = in.get_column<std::uint16_t>(count);
  generation_ = in.get_column<std::uint16_t>(count);
  in.require(bytes_mean_.size() == count && touches_.size() == count);
  for (auto before : touched_before_)
    in.require(before <= pages_);
  if (!in.ok())
    return false;
  index_.assign(std::bit_ceil(std::max<std::size_t>(64, 3 * count)), 0);
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    auto& home = home_of(extents_[slot]);
    if (home != 0 || extents_[slot] >= extent_end)
      return false;
    home = slot + 1;
  }
  return true;
}

} // namespace foreshift
