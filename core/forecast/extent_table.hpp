// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"
#include "core/forecast/slot_index.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

/// Which of up to 256 pages of an extent were touched.
using page_set = std::array<std::uint64_t, 4>;

/// Pages `first` to before `end`.
struct page_range {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
  std::uint32_t size() const { return end - first; }
};

void set_pages(page_set& of, page_range pages);
std::uint32_t count_pages(const page_set& of);

/// The extents a forecaster knows, one slot each, as a struct of arrays: every vector has `size()`
/// elements. Experts keep arrays of their own beside it, in the same order. About 70 bytes an
/// extent. One thread.
class extent_table {
public:
  static constexpr std::uint32_t none = slot_index::none;

  explicit extent_table(std::uint32_t extent_bytes);

  std::size_t size() const { return extents_.size(); }

  /// The extent's slot, or `none`.
  std::uint32_t find(std::uint32_t extent) const { return index_.find(extents_, extent); }

  /// A new slot, at the end, for an extent that has none.
  std::uint32_t add(std::uint32_t extent, std::uint32_t window);

  /// Keeps only these slots (ascending), which become 0, 1, 2 ...
  void keep(std::span<const std::uint32_t> slots);

  /// Notes which pages a request touched. Returns how many of them were the first in this
  /// generation.
  std::uint32_t touch(std::uint32_t slot, page_range pages, std::uint16_t generation);

  /// The pages of `bytes` bytes from `begin` within an extent; none for no bytes.
  page_range pages_of(std::uint32_t begin, std::uint32_t bytes) const;
  std::uint32_t page_bytes() const { return page_bytes_; }

  /// How many distinct bytes so many page accesses will touch, if they go on as lately: the size of
  /// the working set is judged from how often pages came again.
  float distinct_bytes(std::uint32_t slot, float pages) const;

  void save(byte_writer& out) const;
  /// False, with the table in no particular state, when the bytes make no table.
  bool load(byte_reader& in, std::size_t size_max, std::uint64_t extent_end);

  const std::vector<std::uint32_t>& extents() const { return extents_; }

  /// The last closed window with an access, or the one in which the slot came.
  std::vector<std::uint32_t> last_window;
  /// Position in the open window's counts, or `none`.
  std::vector<std::uint32_t> pending;

private:
  float working_set_pages(std::uint32_t slot) const;

  std::uint32_t extent_bytes_;
  std::uint32_t page_bytes_;
  std::uint32_t pages_;
  slot_index index_;
  std::vector<std::uint32_t> extents_;
  std::vector<page_set> touched_;             ///< In the current generation.
  std::vector<float> touches_;                ///< Page touches in it, repeated ones too.
  std::vector<std::uint16_t> touched_before_; ///< Distinct pages in the generation before.
  std::vector<std::uint16_t> generation_;
};

} // namespace foreshift
