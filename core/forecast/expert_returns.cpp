// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/decayed_array.hpp"
#include "core/forecast/experts.hpp"

#include <deque>

namespace foreshift {

namespace {

constexpr std::uint32_t away_ms = 60'000; ///< Who comes back after so long has been away.

class cohort final : public expert {
public:
  std::string_view name() const override { return "cohort"; }

  void fold(const extent_table& table, std::uint32_t window, std::uint32_t window_ms, std::int64_t,
            std::span<const window_count> counts) override {
    known_ = table.size();
    for (auto& each : counts) {
      auto last = table.last_window[each.slot];
      if (std::uint64_t{window - last} * window_ms >= away_ms)
        returns_.push_back({last, window});
    }
    auto memory = memory_ms / window_ms;
    while (!returns_.empty()
           && (returns_.size() > returns_max || window - returns_.front().at > memory))
      returns_.pop_front();
  }

  /// A column of time before now, in buckets: who was used last then, and who of them came back
  /// lately. The chance to come back is judged from those used at the same time and up to five
  /// minutes earlier.
  void score(const forecast_view& view, std::span<float> out) const override {
    if (returns_.empty())
      return;
    std::vector<float> came(buckets + 1), here(buckets + 1);
    for (auto& each : returns_) {
      auto age = static_cast<float>((view.window - each.at) * std::uint64_t{view.window_ms});
      came[bucket_of(view, each.from)] += std::exp2(-age / half_life_ms);
    }
    for (std::size_t slot = 0; slot < known_; ++slot)
      ++here[bucket_of(view, view.table.last_window[slot])];
    std::vector<float> chance(buckets);
    for (std::size_t i = 0; i < buckets; ++i) {
      float back = 0, waiting = 1;
      for (auto j = i < later ? 0 : i - later; j <= std::min(i + earlier, buckets - 1); ++j) {
        back += came[j];
        waiting += here[j];
      }
      chance[i] = back / (back + waiting);
    }
    for (std::size_t slot = 0; slot < known_; ++slot)
      if (auto at = bucket_of(view, view.table.last_window[slot]); at < buckets)
        out[slot] = chance[at];
  }

  void keep(std::span<const std::uint32_t> slots) override { known_ = slots.size(); }

  void save(byte_writer& out) const override {
    out.put(static_cast<std::uint64_t>(known_));
    out.put_all(std::vector<one>(returns_.begin(), returns_.end()));
  }

  void load(byte_reader& in, std::size_t slots, std::uint32_t window) override {
    known_ = in.get<std::uint64_t>();
    in.require(known_ <= slots);
    auto all = in.get_all<one>(returns_max);
    for (auto& each : all)
      in.require(each.from <= each.at && each.at <= window);
    returns_.assign(all.begin(), all.end());
  }

private:
  struct one {
    std::uint32_t from; ///< Window of its last use before.
    std::uint32_t at;
  };

  static constexpr std::size_t returns_max = 8192;
  static constexpr std::uint32_t memory_ms = 600'000;
  static constexpr float half_life_ms = 120'000;
  static constexpr std::uint32_t bucket_ms = 10'000;
  static constexpr std::size_t buckets = 60'480; ///< A week.
  static constexpr std::size_t later = 3;
  static constexpr std::size_t earlier = 30;

  /// Buckets count back from now; `buckets`: longer ago.
  static std::size_t bucket_of(const forecast_view& view, std::uint32_t window) {
    auto ago = (view.window - std::min(view.window, window)) * std::uint64_t{view.window_ms};
    return static_cast<std::size_t>(std::min<std::uint64_t>(buckets, ago / bucket_ms));
  }

  std::size_t known_ = 0; ///< Slots with a closed window.
  std::deque<one> returns_;
};

/// The time it was away last, as a share of 16 octaves of seconds.
class absence final : public expert {
public:
  std::string_view name() const override { return "absence"; }
  bool ranks() const override { return false; }

  void fold(const extent_table& table, std::uint32_t window, std::uint32_t window_ms, std::int64_t,
            std::span<const window_count> counts) override {
    grow(away_, table.size());
    for (auto& each : counts) {
      auto gap = static_cast<float>(window - table.last_window[each.slot]) * window_ms / 1000;
      if (gap >= 30)
        away_[each.slot] = static_cast<std::uint8_t>(whole * std::min(1.0f, std::log2(gap) / 16));
    }
  }

  void score(const forecast_view&, std::span<float> out) const override {
    std::transform(away_.begin(), away_.end(), out.begin(),
                   [](auto away) { return static_cast<float>(away) / whole; });
  }

  void keep(std::span<const std::uint32_t> slots) override {
    gather(away_, slots, std::uint8_t{0});
  }
  void save(byte_writer& out) const override { out.put_all(away_); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    away_ = in.get_all<std::uint8_t>(slots);
  }

private:
  static constexpr float whole = 0xff;

  std::vector<std::uint8_t> away_;
};

class burst final : public expert {
public:
  std::string_view name() const override { return "burst"; }

  void fold(const extent_table& table, std::uint32_t, std::uint32_t, std::int64_t,
            std::span<const window_count> counts) override {
    grow(pages_log2_, table.size());
    for (auto& each : counts) {
      auto now = std::log2(1 + static_cast<float>(each.all()));
      auto& mean = pages_log2_[each.slot];
      mean += (mean == 0 ? 1 : 0.25f) * (now - mean);
    }
  }

  void score(const forecast_view&, std::span<float> out) const override {
    std::copy(pages_log2_.begin(), pages_log2_.end(), out.begin());
  }

  void keep(std::span<const std::uint32_t> slots) override { gather(pages_log2_, slots, 0.0f); }
  void save(byte_writer& out) const override { out.put_all(pages_log2_); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    pages_log2_ = in.get_amounts(slots);
  }

private:
  std::vector<float> pages_log2_; ///< Mean of the pages a window with an access brings.
};

} // namespace

std::unique_ptr<expert> make_cohort() {
  return std::make_unique<cohort>();
}

std::unique_ptr<expert> make_absence() {
  return std::make_unique<absence>();
}

std::unique_ptr<expert> make_burst() {
  return std::make_unique<burst>();
}

} // namespace foreshift
