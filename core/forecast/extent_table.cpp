// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/extent_table.hpp"

#include "core/base/error.hpp"
#include "core/forecast/growth.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace foreshift {

namespace {

template <class T>
void gather(std::vector<T>& values, std::span<const std::uint32_t> slots) {
  for (std::size_t i = 0; i < slots.size(); ++i)
    values[i] = values[slots[i]];
  values.resize(slots.size());
}

} // namespace

void set_pages(page_set& of, page_range pages) {
  for (auto page = pages.first; page < pages.end; ++page)
    of[page / 64] |= std::uint64_t{1} << (page % 64);
}

std::uint32_t count_pages(const page_set& of) {
  int out = 0;
  for (auto word : of)
    out += std::popcount(word);
  return static_cast<std::uint32_t>(out);
}

extent_table::extent_table(std::uint32_t extent_bytes)
    : extent_bytes_(extent_bytes), page_bytes_(std::max(4096u, (extent_bytes + 255) / 256)),
      pages_((extent_bytes + page_bytes_ - 1) / page_bytes_) {}

std::uint32_t extent_table::add(std::uint32_t extent, std::uint32_t window) {
  auto slot = static_cast<std::uint32_t>(size());
  auto count = size() + 1;
  grow(extents_, count, extent);
  grow(last_window, count, window);
  grow(pending, count, none);
  grow(touched_, count);
  grow(touches_, count);
  grow(touched_before_, count);
  grow(generation_, count);
  FORESHIFT_ENSURE(index_.added(extents_));
  return slot;
}

void extent_table::keep(std::span<const std::uint32_t> slots) {
  gather(extents_, slots);
  gather(last_window, slots);
  gather(pending, slots);
  gather(touched_, slots);
  gather(touches_, slots);
  gather(touched_before_, slots);
  gather(generation_, slots);
  index_.rebuild(extents_);
}

page_range extent_table::pages_of(std::uint32_t begin, std::uint32_t bytes) const {
  auto first = begin / page_bytes_;
  return {first, bytes == 0 ? first : (begin + bytes - 1) / page_bytes_ + 1};
}

std::uint32_t extent_table::touch(std::uint32_t slot, page_range range, std::uint16_t generation) {
  auto& pages = touched_[slot];
  if (generation_[slot] != generation) {
    auto next = static_cast<std::uint16_t>(generation_[slot] + 1) == generation;
    touched_before_[slot] =
        next ? static_cast<std::uint16_t>(count_pages(pages)) : std::uint16_t{0};
    pages = {};
    touches_[slot] = 0;
    generation_[slot] = generation;
  }
  auto before = count_pages(pages);
  set_pages(pages, range);
  touches_[slot] += static_cast<float>(range.size());
  return count_pages(pages) - before;
}

float extent_table::working_set_pages(std::uint32_t slot) const {
  auto distinct = static_cast<float>(count_pages(touched_[slot]));
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

float extent_table::distinct_bytes(std::uint32_t slot, float pages) const {
  auto held = working_set_pages(slot) * static_cast<float>(page_bytes_);
  held = std::min(held, static_cast<float>(extent_bytes_));
  return held * (1 - std::exp(-pages * static_cast<float>(page_bytes_) / held));
}

void extent_table::save(byte_writer& out) const {
  out.put_all(extents_);
  out.put_all(last_window);
  out.put_all(pending);
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
  touched_ = in.get_column<page_set>(count);
  touches_ = in.get_amounts(count);
  touched_before_ = in.get_column<std::uint16_t>(count);
  generation_ = in.get_column<std::uint16_t>(count);
  in.require(touches_.size() == count);
  for (auto before : touched_before_)
    in.require(before <= pages_);
  if (!in.ok())
    return false;
  for (auto extent : extents_)
    in.require(extent < extent_end);
  return in.ok() && index_.rebuild(extents_);
}

} // namespace foreshift
