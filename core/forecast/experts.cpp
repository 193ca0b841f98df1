// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/experts.hpp"

#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

/// Slots that came since the last fold have no value yet and get `fresh`.
void gather(std::vector<float>& values, std::span<const std::uint32_t> slots, float fresh) {
  values.resize(std::max<std::size_t>(values.size(), slots.empty() ? 0 : slots.back() + 1u), fresh);
  for (std::size_t i = 0; i < slots.size(); ++i)
    values[i] = values[slots[i]];
  values.resize(slots.size());
}

template <class T>
auto lens(const std::vector<T>& values, std::size_t count) {
  return xt::adapt(values.data(), count, xt::no_ownership(), std::array{count});
}

auto lens(std::vector<float>& values, std::size_t count) {
  return xt::adapt(values.data(), count, xt::no_ownership(), std::array{count});
}

/// Reads and writes per slot, decayed lazily: each value is as of its slot's last window.
class decayed_arrays {
public:
  decayed_arrays(std::uint32_t window_ms, double half_life_ms)
      : rate_(static_cast<float>(std::log(2.0) * window_ms / half_life_ms)) {}

  void add(const extent_table& table, std::uint32_t window, std::uint32_t slot, float reads,
           float writes) {
    auto kept = std::exp(-rate_ * static_cast<float>(window - table.last_window[slot]));
    reads_[slot] = reads_[slot] * kept + reads;
    writes_[slot] = writes_[slot] * kept + writes;
  }

  void grow(std::size_t slots) {
    reads_.resize(slots);
    writes_.resize(slots);
  }

  /// Values as of `view.window`, times `scale`.
  void write_to(const forecast_view& view, heat_scores& out, float scale) const {
    auto count = reads_.size();
    auto age =
        static_cast<float>(view.window) - xt::cast<float>(lens(view.table.last_window, count));
    xt::xtensor<float, 1> kept = scale * xt::exp(-rate_ * age);
    lens(out.reads, count) = lens(reads_, count) * kept;
    lens(out.writes, count) = lens(writes_, count) * kept;
  }

  /// What turns a value into accesses per window, after so many windows of history.
  float per_window(std::uint32_t windows) const {
    return (1 - std::exp(-rate_)) / (1 - std::exp(-rate_ * static_cast<float>(windows)));
  }

  void keep(std::span<const std::uint32_t> slots) {
    gather(reads_, slots, 0);
    gather(writes_, slots, 0);
  }

  void save(byte_writer& out) const {
    out.put_all(reads_);
    out.put_all(writes_);
  }

  /// Slots that came in the open window have no values yet.
  void load(byte_reader& in, std::size_t slots) {
    reads_ = in.get_amounts(slots);
    writes_ = in.get_amounts(slots);
    in.require(reads_.size() == writes_.size());
  }

private:
  float rate_;
  std::vector<float> reads_;
  std::vector<float> writes_;
};

class decayed_count final : public expert {
public:
  decayed_count(std::string name, std::uint32_t window_ms, double half_life_ms)
      : name_(std::move(name)), arrays_(window_ms, half_life_ms) {}

  std::string_view name() const override { return name_; }

  void fold(const extent_table& table, std::uint32_t window,
            std::span<const window_count> counts) override {
    arrays_.grow(table.size());
    for (auto& each : counts)
      arrays_.add(table, window, each.slot, static_cast<float>(each.reads),
                  static_cast<float>(each.writes));
  }

  void score(const forecast_view& view, heat_scores& out) const override {
    arrays_.write_to(view, out, 1);
  }

  void keep(std::span<const std::uint32_t> slots) override { arrays_.keep(slots); }
  void save(byte_writer& out) const override { arrays_.save(out); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override { arrays_.load(in, slots); }

private:
  std::string name_;
  decayed_arrays arrays_;
};

class recency final : public expert {
public:
  std::string_view name() const override { return "recency"; }

  void fold(const extent_table& table, std::uint32_t window,
            std::span<const window_count> counts) override {
    last_read_.resize(table.size(), never);
    last_write_.resize(table.size(), never);
    for (auto& each : counts) {
      if (each.reads > 0)
        last_read_[each.slot] = static_cast<float>(window);
      if (each.writes > 0)
        last_write_[each.slot] = static_cast<float>(window);
    }
  }

  void score(const forecast_view& view, heat_scores& out) const override {
    fill(view, last_read_, out.reads);
    fill(view, last_write_, out.writes);
  }

  void keep(std::span<const std::uint32_t> slots) override {
    gather(last_read_, slots, never);
    gather(last_write_, slots, never);
  }

  void save(byte_writer& out) const override {
    out.put_all(last_read_);
    out.put_all(last_write_);
  }

  void load(byte_reader& in, std::size_t slots, std::uint32_t window) override {
    last_read_ = in.get_all<float>(slots);
    last_write_ = in.get_column<float>(last_read_.size());
    for (auto* values : {&last_read_, &last_write_})
      for (auto value : *values)
        in.require(value == never || (value >= 0 && value <= static_cast<float>(window)));
  }

private:
  static constexpr float never = -1;

  static void fill(const forecast_view& view, const std::vector<float>& last,
                   std::vector<float>& out) {
    auto count = last.size();
    auto seen = lens(last, count);
    auto age = 1.0f + static_cast<float>(view.window) - seen;
    lens(out, count) = xt::where(seen >= 0.0f, 1.0f / (age * age), 0.0f);
  }

  std::vector<float> last_read_; ///< Window; float is exact up to 2^24 windows and fine beyond.
  std::vector<float> last_write_;
};

class run_extension final : public expert {
public:
  explicit run_extension(std::uint32_t window_ms) : rest_(window_ms, 30'000) {}

  std::string_view name() const override { return "run"; }

  void fold(const extent_table& table, std::uint32_t window,
            std::span<const window_count> counts) override {
    rest_.grow(table.size());
    for (auto& each : counts)
      rest_.add(table, window, each.slot, static_cast<float>(each.reads - each.run_reads),
                static_cast<float>(each.writes - each.run_writes));
  }

  void propose(const forecast_view& view, std::vector<std::uint32_t>& out) const override {
    for_each_ahead(view, [&](std::uint32_t extent, float, float) {
      if (view.table.find(extent) == extent_table::none)
        out.push_back(extent);
    });
  }

  void score(const forecast_view& view, heat_scores& out) const override {
    auto windows = static_cast<float>(view.horizon_ms) / static_cast<float>(view.window_ms);
    rest_.write_to(view, out, windows * rest_.per_window(view.window + 1));
    for_each_ahead(view, [&](std::uint32_t extent, float reads, float writes) {
      std::size_t at = view.table.find(extent);
      if (at == extent_table::none) {
        auto found = std::lower_bound(view.beyond.begin(), view.beyond.end(), extent);
        if (found == view.beyond.end() || *found != extent)
          return;
        at = view.table.size() + static_cast<std::size_t>(found - view.beyond.begin());
      }
      out.reads[at] += reads;
      out.writes[at] += writes;
    });
  }

  void keep(std::span<const std::uint32_t> slots) override { rest_.keep(slots); }
  void save(byte_writer& out) const override { rest_.save(out); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override { rest_.load(in, slots); }

private:
  static constexpr double ahead_bytes_min = 32u << 20;
  static constexpr std::uint64_t ahead_extents_max = 4096;
  static constexpr double idle_half_life_ms = 5000;

  /// Calls `each(extent, reads, writes)` for what lies ahead of every live run.
  template <class Each>
  static void for_each_ahead(const forecast_view& view, Each each) {
    for (auto& run : view.streams.all()) {
      auto idle_ms =
          std::max(0.0, static_cast<double>(view.now_ms) - static_cast<double>(run.last_ms));
      auto alive = std::exp2(-idle_ms / idle_half_life_ms);
      if (run.confirmed() && alive > 0.05)
        extend(view, run, alive, each);
    }
  }

  /// A run that came so far is expected to go as far again: it reaches distance x with chance
  /// span / (span + x); what its speed cannot reach within the horizon falls off faster.
  template <class Each>
  static void extend(const forecast_view& view, const stream& run, double alive, Each each) {
    auto reach = static_cast<double>(run.speed) * view.horizon_ms / 1000;
    auto ahead = std::max(ahead_bytes_min, reach);
    auto span = static_cast<double>(run.span);
    auto density = std::min(1.0, static_cast<double>(run.bytes) / span);
    auto request = static_cast<double>(run.bytes) / run.requests;
    auto per_extent = view.extent_bytes * density / request;
    auto write_share = static_cast<double>(run.writes) / run.requests;
    auto first = run.next / view.extent_bytes;
    auto count = std::min<std::uint64_t>(ahead_extents_max,
                                         static_cast<std::uint64_t>(ahead / view.extent_bytes) + 1);
    for (std::uint64_t i = 0; i < count && first + i < view.extent_end; ++i) {
      auto left =
          i == 0 ? 1 - static_cast<double>(run.next % view.extent_bytes) / view.extent_bytes : 1.0;
      auto distance = static_cast<double>(i) * view.extent_bytes;
      auto chance = alive * span / (span + distance);
      if (distance > reach)
        chance *= 0.5 * (reach + view.extent_bytes) / (distance + view.extent_bytes);
      auto expected = per_extent * left * chance;
      each(static_cast<std::uint32_t>(first + i), static_cast<float>(expected * (1 - write_share)),
           static_cast<float>(expected * write_share));
    }
  }

  decayed_arrays rest_;
};

} // namespace

std::unique_ptr<expert> make_decayed_count(std::string name, std::uint32_t window_ms,
                                           double half_life_ms) {
  return std::make_unique<decayed_count>(std::move(name), window_ms, half_life_ms);
}

std::unique_ptr<expert> make_recency() {
  return std::make_unique<recency>();
}

std::unique_ptr<expert> make_run_extension(std::uint32_t window_ms) {
  return std::make_unique<run_extension>(window_ms);
}

std::vector<std::unique_ptr<expert>> make_experts(std::uint32_t window_ms) {
  std::vector<std::unique_ptr<expert>> out;
  out.push_back(make_recency());
  out.push_back(make_decayed_count("frequency", window_ms, 86'400e3));
  out.push_back(make_decayed_count("ewma_5s", window_ms, 5e3));
  out.push_back(make_decayed_count("ewma_30s", window_ms, 30e3));
  out.push_back(make_decayed_count("ewma_5m", window_ms, 300e3));
  out.push_back(make_run_extension(window_ms));
  return out;
}

} // namespace foreshift
