// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/expert.hpp"
#include "core/forecast/forecaster.hpp"
#include "core/forecast/merge.hpp"
#include "core/forecast/trial.hpp"

#include <memory>
#include <vector>

namespace foreshift {

/// Folds accesses into windows, lets experts score and the merge combine. One thread.
class forecast_engine final : public forecaster {
public:
  explicit forecast_engine(const forecaster_options& options);

  void observe(const access& x) override;
  void advance(std::int64_t now_ms) override;
  forecast predict(std::size_t extents_max) const override;
  std::string save() const override;
  result<void> load(std::string_view bytes) override;

  /// Names of the experts, in their order.
  std::vector<std::string> arms() const;
  /// The `count` extents an expert alone would have near, hottest first. Learns nothing.
  std::vector<std::uint32_t> choose(std::size_t arm, std::size_t count) const;

private:
  static constexpr std::uint32_t open_max = 0xffff'0000; ///< 136 years of one-second windows.

  struct scored {
    std::vector<std::uint32_t> beyond;
    std::vector<heat_scores> scores; ///< One per expert.
  };

  window_count& pending_of(std::uint32_t extent);
  void close(std::uint32_t windows);
  void renew_trial();
  void forget_down_to(std::size_t extents);
  forecast_view view() const;
  scored score() const;
  double per_horizon(double decayed_sum) const;
  std::vector<extent_heat> hottest(const heat_scores& merged, std::span<const std::uint32_t> beyond,
                                   std::size_t count) const;
  void write(byte_writer& out) const;
  bool read(byte_reader& in);
  void read_counts(byte_reader& in);

  forecaster_options options_;
  std::uint64_t extent_end_;
  extent_table table_;
  stream_tracker streams_;
  std::vector<std::unique_ptr<expert>> experts_;
  std::unique_ptr<expert_merge> merge_;
  expert_trial trial_;
  std::vector<window_count> counts_; ///< Of the open window.
  bool started_ = false;
  bool trial_runs_ = false;
  std::int64_t base_ = 0;       ///< The first window's number since the epoch.
  std::uint32_t open_ = 0;      ///< The open window, from `base_`.
  std::uint32_t trial_end_ = 0; ///< The window in which the trial is judged.
  double reads_ = 0;            ///< Decayed sums as of the last closed window.
  double writes_ = 0;
};

} // namespace foreshift
