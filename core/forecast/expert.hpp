// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/extent_table.hpp"
#include "core/forecast/streams.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace foreshift {

/// What one window brought to one extent.
struct window_count {
  std::uint32_t slot = 0;
  std::uint32_t reads = 0;
  std::uint32_t writes = 0;
  std::uint32_t run_reads = 0; ///< Of them, by sequential runs.
  std::uint32_t run_writes = 0;
};

/// Everything an expert may base a prediction on, besides what it keeps itself.
struct forecast_view {
  const extent_table& table;
  const stream_tracker& streams;
  std::uint32_t window; ///< The last closed one; they count from 0.
  std::uint32_t window_ms;
  std::uint32_t horizon_ms;
  std::uint32_t extent_bytes;
  std::uint64_t extent_end; ///< Number of extents of the volume.
  std::int64_t now_ms;
  /// Extents without a slot that some expert proposed, ascending.
  std::span<const std::uint32_t> beyond{};

  std::size_t size() const { return table.size() + beyond.size(); }
};

/// Expected accesses per slot, then per extent of `beyond`. Only their proportions count: the merge
/// scales them.
struct heat_scores {
  std::vector<float> reads;
  std::vector<float> writes;
};

/// One way to predict. This is where the full engine plugs in: a learned arm (an LSTM over
/// per-extent features) is another `expert` with its state in arrays beside the table; first-order
/// Markov and same-hour-of-day are two more. `make_experts` lists who takes part. One thread.
class expert {
public:
  virtual ~expert() = default;

  virtual std::string_view name() const = 0;

  /// A window closed. `table.last_window` still tells the one before; slots may be new.
  virtual void fold(const extent_table& table, std::uint32_t window,
                    std::span<const window_count> counts) = 0;

  /// Appends extents it expects that may have no slot yet, in any order.
  virtual void propose(const forecast_view&, std::vector<std::uint32_t>&) const {}

  /// Fills both arrays, which come zeroed and with `view.size()` elements.
  virtual void score(const forecast_view& view, heat_scores& out) const = 0;

  /// Follows `extent_table::keep`.
  virtual void keep(std::span<const std::uint32_t> slots) = 0;

  virtual void save(byte_writer& out) const = 0;
  /// For a table of `slots` slots at `window`; fails the reader on nonsense.
  virtual void load(byte_reader& in, std::size_t slots, std::uint32_t window) = 0;
};

} // namespace foreshift
