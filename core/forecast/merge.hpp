// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"
#include "core/forecast/expert.hpp"

#include <memory>
#include <span>
#include <vector>

namespace foreshift {

/// How one expert's hottest extents, as many as the budget, did over an evaluation window; shares
/// of all accesses, 0..1.
struct verdict {
  double promised_reads = 0;
  double came_reads = 0;
  double promised_writes = 0;
  double came_writes = 0;
};

struct expert_weights {
  std::vector<double> reads; ///< Sum to 1, as do `writes`.
  std::vector<double> writes;
};

/// Makes one prediction of many and learns whom to believe. The full engine's calibrated merge
/// (decayed tables of realised share per expert and rank bucket) is another implementation. One
/// thread.
class expert_merge {
public:
  virtual ~expert_merge() = default;

  /// One verdict per expert, over so many accesses; without any of a kind nothing is learnt of it.
  virtual void judge(std::span<const verdict> verdicts, double reads, double writes) = 0;

  /// Scaled so that reads sum to `total_reads` and writes to `total_writes`, unless no expert has
  /// any.
  virtual heat_scores combine(std::span<const heat_scores> scores, double total_reads,
                              double total_writes) const = 0;

  virtual expert_weights weights() const = 0;

  virtual void save(byte_writer& out) const = 0;
  virtual void load(byte_reader& in) = 0;
};

/// Multiplicative weights, for reads and writes apart, that forget: an expert loses weight by what
/// its hottest extents missed and by how far its promise was from the truth.
std::unique_ptr<expert_merge> make_weighted_merge(std::size_t experts);

} // namespace foreshift
