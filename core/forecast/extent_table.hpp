// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace foreshift {

/// Which of up to 256 pages of an extent were touched.
using page_set = std::array<std::uint64_t, 4>;

/// The extents a forecaster knows, one slot each, as a struct of arrays: every vector has `size()`
/// elements. Experts keep arrays of their own beside it, in the same order. About 76 bytes an
/// extent. One thread.
class extent_table {
public:
  static constexpr std::uint32_t none = ~0u;

  explicit extent_table(std::uint32_t extent_bytes);

  std::size_t size() const { return extents_.size(); }

  /// The extent's slot, or `none`.
  std::uint32_t find(std::uint32_t extent) const;

  /// A new slot, at the end, for an extent that has none.
  std::uint32_t add(std::uint32_t extent, std::uint32_t window);

  /// Keeps only these slots (ascending), which become 0, 1, 2 ...
  void keep(std::span<const std::uint32_t> slots);

  /// Notes which pages a request touched; `begin` and `bytes` within the extent.
  void touch(std::uint32_t slot, std::uint32_t begin, std::uint32_t bytes,
             std::uint16_t generation);

  /// How many distinct bytes so many accesses will touch, if they go on as lately: the size of the
  /// working set is judged from how often pages came again.
  float distinct_bytes(std::uint32_t slot, float accesses) const;

  void save(byte_writer& out) const;
  /// False, with the table in no particular state, when the bytes make no table.
  bool load(byte_reader& in, std::size_t size_max, std::uint64_t extent_end);

  const std::vector<std::uint32_t>& extents() const { return extents_; }

  /// The last closed window with an access, or the one in which the slot came.
  std::vector<std::uint32_t> last_window;
  /// Position in the open window's counts, or `none`.
  std::vector<std::uint32_t> pending;
  /// Bit 2 * expert: among its hottest for reads; the next bit: for writes.
  std::vector<std::uint32_t> picked_by;

private:
  std::uint32_t& home_of(std::uint32_t extent);
  void rebuild_index();
  float working_set_pages(std::uint32_t slot) const;

  std::uint32_t extent_bytes_;
  std::uint32_t page_bytes_;
  std::uint32_t pages_;
  std::vector<std::uint32_t> index_; ///< Open addressing: slot + 1, or 0; a power of two long.
  std::vector<std::uint32_t> extents_;
  std::vector<float> bytes_mean_;
  std::vector<page_set> touched_;             ///< In the current generation.
  std::vector<float> touches_;                ///< Page touches in it, repeated ones too.
  std::vector<std::uint16_t> touched_before_; ///< Distinct pages in the generation before.
  std::vector<std::uint16_t> generation_;
};

} // namespace foreshift
