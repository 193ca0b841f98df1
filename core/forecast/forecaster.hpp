// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/trace/access.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// Expected use of one extent over the horizon.
struct extent_heat {
  std::uint32_t extent = 0;
  float reads = 0;  ///< Expected read accesses.
  float writes = 0; ///< Expected write accesses.
  float bytes = 0;  ///< Expected distinct bytes touched, at most the extent's size.

  float accesses() const { return reads + writes; }
  friend bool operator==(const extent_heat&, const extent_heat&) = default;
};

struct expert_share {
  std::string name;
  double weight = 0; ///< In the merge, 0..1; all weights sum to 1.
  friend bool operator==(const expert_share&, const expert_share&) = default;
};

struct forecast {
  std::uint32_t horizon_ms = 0;
  double total_reads = 0; ///< Over all extents, listed or not.
  double total_writes = 0;
  std::vector<extent_heat> extents; ///< Hottest first.
  std::uint64_t extents_active = 0;
  std::uint64_t observed_ms = 0;
  std::vector<expert_share> experts;
};

struct forecaster_options {
  std::uint64_t size_bytes = 0; ///< 0: not known.
  std::uint32_t extent_bytes = 1u << 20;
  std::uint32_t window_ms = 1000;     ///< Accesses are folded into counts per window.
  std::uint32_t horizon_ms = 60'000;  ///< What is predicted: the next so many milliseconds.
  std::size_t extents_max = 1u << 20; ///< Beyond it the coldest are forgotten. At least 8.
  /// Experts are judged by their so many hottest extents; 0: 5 % of the volume's, at least 32.
  std::size_t budget_extents = 0;
};

/// Learns one volume's accesses and predicts the next. Pure: time comes with the accesses and with
/// `advance`. One thread.
class forecaster {
public:
  virtual ~forecaster() = default;

  virtual void observe(const access& x) = 0;

  /// Closes every window that ends at or before `now_ms`.
  virtual void advance(std::int64_t now_ms) = 0;

  /// The `extents_max` hottest extents expected over the horizon.
  virtual forecast predict(std::size_t extents_max) const = 0;

  /// Everything needed to go on after a restart or on another host; versioned, zstd.
  virtual std::string save() const = 0;
  /// `malformed` when the bytes are not from `save` of a compatible version; the state is
  /// unchanged.
  virtual result<void> load(std::string_view bytes) = 0;
};

/// The forecaster the agent uses: cheap experts (expert.hpp) under a merge that weighs them by how
/// well their hottest extents did lately (merge.hpp). The full engine, an LSTM arm and a calibrated
/// merge of rank buckets, is one more `expert` and one more `expert_merge`; nothing else changes.
/// About 140 bytes an active extent.
std::unique_ptr<forecaster> make_forecaster(const forecaster_options& options);

} // namespace foreshift
