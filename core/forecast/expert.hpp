// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/extent_table.hpp"
#include "core/forecast/streams.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace foreshift {

/// What one window brought to one extent, in pages: an access is one page touched by one request.
struct window_count {
  std::uint32_t slot = 0;
  std::uint32_t reads = 0;
  std::uint32_t writes = 0;
  std::uint32_t run = 0;   ///< Of both, by sequential runs.
  std::uint32_t fresh = 0; ///< Pages that were the first in the table's generation.
  page_set pages{};

  std::uint32_t all() const { return reads + writes; }
};

/// Everything an expert may base a prediction on, besides what it keeps itself.
struct forecast_view {
  const extent_table& table;
  const stream_tracker& streams;
  std::uint32_t window; ///< The last closed one; they count from 0.
  std::uint32_t window_ms;
  std::uint32_t extent_bytes;
  std::uint64_t extent_end; ///< Number of extents of the volume.
  std::int64_t now_ms;
  /// Extents without a slot that some expert proposed, ascending.
  std::span<const std::uint32_t> beyond{};
  /// Slots in ascending order of their extents.
  std::span<const std::uint32_t> order{};

  std::size_t size() const { return table.size() + beyond.size(); }

  /// Position in a score of an extent, or `extent_table::none`.
  std::uint32_t place_of(std::uint32_t extent) const;
};

/// One way to tell which extents will be used. Its scores are compared among themselves only: the
/// calibration learns what a place in its ranking is worth. One thread.
class expert {
public:
  virtual ~expert() = default;

  virtual std::string_view name() const = 0;

  /// False: the score is a property in 0..1, which says nothing alone and is not ranked.
  virtual bool ranks() const { return true; }

  /// A window closed. `table.last_window` still tells the one before; slots may be new.
  virtual void fold(const extent_table& table, std::uint32_t window, std::uint32_t window_ms,
                    std::int64_t window_start_ms, std::span<const window_count> counts) = 0;

  /// Appends extents it expects that may have no slot yet, in any order.
  virtual void propose(const forecast_view&, std::vector<std::uint32_t>&) const {}

  /// Fills `out`, which comes zeroed and with `view.size()` elements: slots, then `view.beyond`.
  virtual void score(const forecast_view& view, std::span<float> out) const = 0;

  /// Follows `extent_table::keep`.
  virtual void keep(std::span<const std::uint32_t> slots) = 0;

  virtual void save(byte_writer& out) const = 0;
  /// For a table of `slots` slots at `window`; fails the reader on nonsense.
  virtual void load(byte_reader& in, std::size_t slots, std::uint32_t window) = 0;
};

} // namespace foreshift
