// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/trace_request.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace foreshift {

/// Accesses and distinct pages are counted in pages of so many bytes.
inline constexpr std::uint32_t tally_page_bytes = 4096;

/// After a decision, distinct pages are also counted up to these times.
inline constexpr std::array<std::int64_t, 4> flip_seconds{1, 10, 60, 300};

/// Page accesses and distinct pages; of all requests, or shares of them.
template <class T>
struct coverage_of {
  T access{};
  T distinct{};
  T read_access{};
  T read_distinct{};
  std::array<T, flip_seconds.size()> early{}; ///< Distinct pages up to `flip_seconds`.
};
using page_counts = coverage_of<std::uint64_t>;

/// What is accessed within one horizon, by extent. Memory follows the extents touched in it. One
/// thread.
class tally {
public:
  explicit tally(std::uint32_t extent_bytes);

  /// Forgets everything.
  void clear();

  /// `since_us`: time from the horizon's beginning.
  void add(const trace_request& x, std::int64_t since_us);

  /// Over all extents.
  const page_counts& total() const { return total_; }

  /// Over these extents, each named once.
  page_counts within(std::span<const std::uint32_t> extents) const;

  /// The most that any so many extents hold, for every count by itself.
  page_counts best(std::size_t extents) const;

private:
  void touch(std::size_t at, std::uint32_t page, bool read, std::size_t early_from);

  std::uint32_t extent_bytes_;
  std::size_t words_; ///< Of one bit set over an extent's pages.
  std::unordered_map<std::uint32_t, std::size_t> index_;
  std::vector<page_counts> rows_;
  std::vector<std::uint64_t> seen_; ///< Per row: pages touched, then pages read.
  page_counts total_;
};

} // namespace foreshift
