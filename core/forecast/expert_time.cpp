// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/decayed_array.hpp"
#include "core/forecast/experts.hpp"

#include <numeric>
#include <optional>

namespace foreshift {

namespace {

class successors final : public expert {
public:
  std::string_view name() const override { return "successors"; }

  void fold(const extent_table& table, std::uint32_t, std::uint32_t, std::int64_t,
            std::span<const window_count> counts) override {
    grow(links_, table.size());
    auto& extents = table.extents();
    for (auto& each : counts) { // in the order in which the window touched them first
      auto extent = extents[each.slot];
      auto from = last_ ? table.find(*last_) : extent_table::none;
      if (from != extent_table::none && extent != *last_)
        note(links_[from], extent);
      last_ = extent;
    }
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    std::vector<std::uint32_t> now;
    for (std::uint32_t slot = 0; slot < links_.size(); ++slot)
      if (age_ms(view, slot) <= recent_ms)
        now.push_back(slot);
    if (now.size() > sources_max) {
      std::nth_element(now.begin(), now.begin() + sources_max, now.end(), [&](auto a, auto b) {
        return std::pair{age_ms(view, a), a} < std::pair{age_ms(view, b), b};
      });
      now.resize(sources_max);
    }
    std::vector<std::pair<std::uint32_t, float>> wave, next;
    for (auto slot : now)
      wave.emplace_back(slot, std::exp(-static_cast<float>(age_ms(view, slot)) / recent_ms));
    for (int step = 0; step < steps; ++step, wave.swap(next)) {
      next.clear();
      for (auto [slot, weight] : wave)
        for (auto& link : links_[slot])
          if (auto to = link.weight > 0 ? view.table.find(link.extent) : extent_table::none;
              to < links_.size() && weight * link.weight > 0.01f) {
            out[to] += weight * link.weight;
            next.emplace_back(to, weight * link.weight);
          }
    }
  }

  void keep(std::span<const std::uint32_t> slots) override { gather(links_, slots, {}); }

  void save(byte_writer& out) const override {
    std::vector<std::uint32_t> extents;
    std::vector<float> weights;
    for (auto& each : links_)
      for (auto& link : each) {
        extents.push_back(link.extent);
        weights.push_back(link.weight);
      }
    out.put_all(extents);
    out.put_all(weights);
    out.put(last_.value_or(extent_table::none));
  }

  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    auto extents = in.get_all<std::uint32_t>(2 * slots);
    auto weights = in.get_amounts(2 * slots);
    auto last = in.get<std::uint32_t>();
    in.require(extents.size() == weights.size() && extents.size() % 2 == 0);
    links_.assign(in.ok() ? extents.size() / 2 : 0, {});
    for (std::size_t i = 0; i < 2 * links_.size(); ++i) {
      in.require(weights[i] <= 1.001f);
      links_[i / 2][i % 2] = {extents[i], weights[i]};
    }
    last_ = last == extent_table::none ? std::nullopt : std::optional{last};
  }

private:
  struct follower {
    std::uint32_t extent = 0;
    float weight = 0; ///< Estimated chance.
  };
  using links = std::array<follower, 2>; ///< The likelier first.

  static constexpr int steps = 3;
  static constexpr std::uint32_t recent_ms = 60'000;
  static constexpr std::size_t sources_max = 16'384;

  static std::uint32_t age_ms(const forecast_view& view, std::uint32_t slot) {
    auto windows = view.window - std::min(view.window, view.table.last_window[slot]);
    auto out = std::uint64_t{windows} * view.window_ms;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(out, ~0u));
  }

  static void note(links& of, std::uint32_t extent) {
    constexpr float step = 0.2f;
    auto found = std::find_if(of.begin(), of.end(),
                              [&](auto& x) { return x.weight > 0 && x.extent == extent; });
    for (auto& each : of)
      each.weight *= 1 - step;
    if (found == of.end()) {
      found = of.end() - 1;
      if (found->weight > step)
        return; // a habit outlives two exceptions
      *found = {extent, 0};
    }
    found->weight += step;
    if (of[1].weight > of[0].weight)
      std::swap(of[0], of[1]);
  }

  std::vector<links> links_;
  std::optional<std::uint32_t> last_;
};

class daily final : public expert {
public:
  std::string_view name() const override { return "daily"; }

  void fold(const extent_table& table, std::uint32_t, std::uint32_t, std::int64_t start_ms,
            std::span<const window_count> counts) override {
    if (auto hour = hour_of(start_ms); hour != hour_) {
      close_hour();
      hour_ = hour;
    }
    grow(hours_, table.size());
    grow(open_, table.size());
    for (auto& each : counts)
      open_[each.slot] += static_cast<float>(each.all());
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    auto hour = hour_of(view.now_ms);
    auto here = of_day(hour), next = of_day(hour + 1);
    // Shortly before the hour ends, the next one matters as well.
    auto passed = static_cast<float>(view.now_ms - hour * hour_ms) / hour_ms;
    auto later = std::clamp((passed - 0.9f) * 10, 0.0f, 1.0f);
    for (std::size_t slot = 0; slot < hours_.size(); ++slot)
      out[slot] =
          (1 - later) * amounts()[hours_[slot][here]] + later * amounts()[hours_[slot][next]];
  }

  void keep(std::span<const std::uint32_t> slots) override {
    gather(hours_, slots, {});
    gather(open_, slots, 0.0f);
  }

  void save(byte_writer& out) const override {
    out.put(hour_);
    out.put_all(hours_);
    out.put_all(open_);
  }

  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    hour_ = in.get<std::int64_t>();
    hours_ = in.get_all<day>(slots);
    open_ = in.get_amounts(slots);
    in.require(open_.size() == hours_.size());
  }

private:
  using day = std::array<std::uint8_t, 24>; ///< Amounts, logarithmic: 8 steps an octave.

  static constexpr std::int64_t hour_ms = 3'600'000;

  static std::int64_t hour_of(std::int64_t at_ms) {
    return at_ms / hour_ms - (at_ms % hour_ms < 0);
  }
  static std::size_t of_day(std::int64_t hour) {
    return static_cast<std::size_t>(((hour % 24) + 24) % 24);
  }

  static const std::array<float, 256>& amounts() {
    static const auto all = [] {
      std::array<float, 256> out{};
      for (std::size_t i = 1; i < out.size(); ++i)
        out[i] = std::exp2(static_cast<float>(i) / 8.0f) - 1;
      return out;
    }();
    return all;
  }

  static std::uint8_t level(float amount) {
    return static_cast<std::uint8_t>(std::min(255.0f, 8 * std::log2(1 + amount) + 0.5f));
  }

  /// The hour that ended joins those of former days at half weight.
  void close_hour() {
    auto here = of_day(hour_);
    for (std::size_t slot = 0; slot < hours_.size(); ++slot) {
      auto& held = hours_[slot][here];
      if (held != 0 || open_[slot] != 0)
        held = level(0.5f * amounts()[held] + 0.5f * open_[slot]);
      open_[slot] = 0;
    }
  }

  std::int64_t hour_ = 0;
  std::vector<day> hours_;
  std::vector<float> open_; ///< Accesses in the hour that runs.
};

} // namespace

std::unique_ptr<expert> make_successors() {
  return std::make_unique<successors>();
}

std::unique_ptr<expert> make_daily() {
  return std::make_unique<daily>();
}

} // namespace foreshift
