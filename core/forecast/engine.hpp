// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/expert.hpp"
#include "core/forecast/forecaster.hpp"
#include "core/forecast/learned_arm.hpp"
#include "core/forecast/outlook.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace foreshift {

/// Folds accesses into windows, lets experts score, and keeps one outlook per horizon. One thread.
class forecast_engine final : public forecaster {
public:
  explicit forecast_engine(const forecaster_options& options);

  void observe(const access& x) override;
  void notice(const vci_activity& x) override;
  void advance(std::int64_t now_ms) override;
  bool study() override;
  forecast predict(std::size_t extents_max) const override;
  forecast predict(std::size_t extents_max, std::uint32_t horizon_ms) const override;
  std::vector<std::uint32_t> choose(std::size_t budget) override;
  std::vector<ledger_report> ledgers() const override;
  std::string save() const override;
  result<void> load(std::string_view bytes) override;

  /// What becomes of the learned arm's samples, for a trainer.
  void watch(learned_arm::observer each);

  /// Experts that rank, then the merged arms before the guard and without loyalty.
  std::vector<std::string> arms() const;
  /// The `count` extents an arm alone would have near, hottest first. Learns nothing.
  std::vector<std::uint32_t> choose_by(const std::string& arm, std::size_t count) const;

private:
  static constexpr std::uint32_t open_max = 0xffff'0000; ///< 136 years of one-second windows.

  window_count& pending_of(std::uint32_t extent);
  void close(std::uint32_t windows);
  void start_trials();
  void forget_down_to(std::size_t extents);
  forecast_view view() const;
  std::int64_t now_ms() const { return (base_ + open_) * options_.window_ms; }
  void sort_slots();
  candidates gather_candidates() const;
  void add_learned(candidates& to) const;
  std::vector<std::uint32_t> choice(const candidates& now,
                                    std::span<const std::uint32_t> incumbents,
                                    std::size_t budget) const;
  std::vector<std::uint32_t> renew_classes(const candidates& now);
  std::vector<float> usefulness(const candidates& now) const;
  std::size_t budget() const;
  double per_horizon(double decayed_sum, std::uint32_t horizon_ms) const;
  forecast predict(std::size_t extents_max, const outlook& by) const;
  heat_class class_of(std::uint32_t extent) const;
  void write(byte_writer& out) const;
  bool read(byte_reader& in);
  void read_counts(byte_reader& in);
  void read_outlooks(byte_reader& in, std::uint32_t count);

  forecaster_options options_;
  std::uint64_t extent_end_;
  extent_table table_;
  stream_tracker streams_;
  std::vector<std::unique_ptr<expert>> experts_;
  std::optional<learned_arm> learned_;
  std::vector<outlook> outlooks_;    ///< The first is of the main horizon.
  std::vector<window_count> counts_; ///< Of the open window.
  std::vector<std::uint32_t> order_; ///< Slots by extent, as of the last sort.
  std::vector<std::uint32_t> held_;  ///< What `choose` chose last, ascending.
  std::vector<std::uint32_t> hot_;   ///< Classes, ascending; all hot ones are warm, too.
  std::vector<std::uint32_t> warm_;
  bool started_ = false;
  std::int64_t base_ = 0;  ///< The first window's number since the epoch.
  std::uint32_t open_ = 0; ///< The open window, from `base_`.
  std::uint32_t busy_ = 0; ///< Windows with accesses since trials were started.
  double reads_ = 0;       ///< Decayed sums as of the last closed window.
  double writes_ = 0;
};

} // namespace foreshift
