// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/decayed_array.hpp"
#include "core/forecast/experts.hpp"

namespace foreshift {

namespace {

constexpr double ahead_bytes_min = 32u << 20;
constexpr std::uint64_t ahead_extents_max = 4096;

class run_extension final : public expert {
public:
  run_extension(std::string name, double reach_ms) : name_(std::move(name)), reach_ms_(reach_ms) {}

  std::string_view name() const override { return name_; }

  void fold(const extent_table&, std::uint32_t, std::uint32_t, std::int64_t,
            std::span<const window_count>) override {}

  void propose(const forecast_view& view, std::vector<std::uint32_t>& out) const override {
    for_each_ahead(view, [&](std::uint32_t extent, float) {
      if (view.table.find(extent) == extent_table::none)
        out.push_back(extent);
    });
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    for_each_ahead(view, [&](std::uint32_t extent, float pages) {
      if (auto at = view.place_of(extent); at != extent_table::none)
        out[at] += pages;
    });
  }

  void keep(std::span<const std::uint32_t>) override {}
  void save(byte_writer&) const override {}
  void load(byte_reader&, std::size_t, std::uint32_t) override {}

private:
  /// Calls `each(extent, pages)` for what lies ahead of every live run.
  template <class Each>
  void for_each_ahead(const forecast_view& view, Each each) const {
    for (auto& run : view.streams.all())
      if (auto alive = run.alive(view.now_ms); run.confirmed() && alive > 0.03)
        extend(view, run, alive, each);
  }

  /// A run that came so far is expected to go as far again: it reaches distance x with chance
  /// span / (span + x); what its speed cannot reach falls off faster.
  template <class Each>
  void extend(const forecast_view& view, const stream& run, double alive, Each each) const {
    auto reach = run.speed(view.now_ms) * reach_ms_ / 1000;
    auto ahead = std::max(ahead_bytes_min, 2 * reach);
    auto span = static_cast<double>(run.span);
    auto density = std::min(1.0, static_cast<double>(run.bytes) / span);
    auto pages = density * view.extent_bytes / view.table.page_bytes();
    auto first = run.next / view.extent_bytes;
    auto part = static_cast<double>(run.next % view.extent_bytes);
    auto count = std::min<std::uint64_t>(ahead_extents_max,
                                         static_cast<std::uint64_t>(ahead / view.extent_bytes) + 1);
    for (std::uint64_t i = 0; i < count && first + i < view.extent_end; ++i) {
      auto left = i == 0 ? 1 - part / view.extent_bytes : 1.0;
      auto distance = std::max(0.0, static_cast<double>(i) * view.extent_bytes - part);
      auto chance = alive * span / (span + distance);
      auto over = (distance + 0.5 * view.extent_bytes) / (reach + 0.5 * view.extent_bytes);
      if (over > 0.5)
        chance *= 0.25 / (over * over);
      each(static_cast<std::uint32_t>(first + i), static_cast<float>(pages * left * chance));
    }
  }

  std::string name_;
  double reach_ms_;
};

class neighbours final : public expert {
public:
  std::string_view name() const override { return "neighbours"; }

  void fold(const extent_table& table, std::uint32_t window, std::uint32_t window_ms, std::int64_t,
            std::span<const window_count> counts) override {
    busy_.grow(table.size());
    for (auto& each : counts)
      busy_.add(table, window, window_ms, each.slot, std::sqrt(static_cast<float>(each.all())));
  }

  void propose(const forecast_view& view, std::vector<std::uint32_t>& out) const override {
    constexpr std::size_t proposed_max = 16'384;
    auto& extents = view.table.extents();
    auto recent = 120'000 / view.window_ms + 1;
    for (std::size_t i = 0; i < view.order.size() && out.size() < proposed_max; ++i) {
      auto slot = view.order[i];
      if (view.window - std::min(view.window, view.table.last_window[slot]) > recent)
        continue;
      auto extent = extents[slot];
      auto next = i + 1 < view.order.size() ? extents[view.order[i + 1]] : extent_table::none;
      for (auto beside = extent + 1; beside <= extent + 2 && beside < next; ++beside)
        if (beside < view.extent_end)
          out.push_back(beside);
      if (extent > 0 && (i == 0 || extents[view.order[i - 1]] + 1 < extent))
        out.push_back(extent - 1);
    }
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    auto& extents = view.table.extents();
    std::vector<float> busy(view.size());
    busy_.write_to(view, busy);
    auto add = [&](std::uint32_t place, std::uint32_t extent, std::uint32_t from) {
      auto distance = extent > extents[from] ? extent - extents[from] : extents[from] - extent;
      if (distance > 0 && distance <= reach)
        out[place] += busy[from] / static_cast<float>(distance);
    };
    for (std::size_t i = 0; i < view.order.size(); ++i) {
      auto place = view.order[i];
      auto begin = i < reach ? 0 : i - reach;
      for (auto j = begin; j < std::min(i + reach + 1, view.order.size()); ++j)
        add(place, extents[place], view.order[j]);
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < view.beyond.size(); ++i) {
      while (at < view.order.size() && extents[view.order[at]] < view.beyond[i])
        ++at;
      for (auto j = at < reach ? 0 : at - reach; j < std::min(at + reach, view.order.size()); ++j)
        add(static_cast<std::uint32_t>(view.table.size() + i), view.beyond[i], view.order[j]);
    }
  }

  void keep(std::span<const std::uint32_t> slots) override { busy_.keep(slots); }
  void save(byte_writer& out) const override { busy_.save(out); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override { busy_.load(in, slots); }

private:
  static constexpr std::size_t reach = 4;

  decayed_array busy_{120'000};
};

class region final : public expert {
public:
  region(std::string name, std::size_t reach, double half_life_ms)
      : name_(std::move(name)), reach_(reach), busy_(half_life_ms) {}

  std::string_view name() const override { return name_; }

  void fold(const extent_table& table, std::uint32_t window, std::uint32_t window_ms, std::int64_t,
            std::span<const window_count> counts) override {
    busy_.grow(table.size());
    for (auto& each : counts)
      busy_.add(table, window, window_ms, each.slot, std::sqrt(static_cast<float>(each.all())));
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    std::vector<float> busy(view.size());
    busy_.write_to(view, busy);
    std::vector<double> before{0}; // sums over the slots in the order of their extents
    std::vector<std::uint32_t> extents;
    for (auto slot : view.order) {
      extents.push_back(view.table.extents()[slot]);
      before.push_back(before.back() + busy[slot]);
    }
    std::size_t first = 0, end = 0;
    auto around = [&](std::uint64_t extent) {
      while (first < extents.size() && extents[first] + reach_ < extent)
        ++first;
      while (end < extents.size() && extents[end] <= extent + reach_)
        ++end;
      return static_cast<float>(std::max(0.0, before[end] - before[first]));
    };
    for (auto slot : view.order)
      out[slot] = around(view.table.extents()[slot]);
    first = end = 0;
    for (std::size_t i = 0; i < view.beyond.size(); ++i)
      out[view.table.size() + i] = around(view.beyond[i]);
  }

  void keep(std::span<const std::uint32_t> slots) override { busy_.keep(slots); }
  void save(byte_writer& out) const override { busy_.save(out); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override { busy_.load(in, slots); }

private:
  std::string name_;
  std::size_t reach_;
  decayed_array busy_;
};

} // namespace

std::unique_ptr<expert> make_region(std::string name, std::size_t reach, double half_life_ms) {
  return std::make_unique<region>(std::move(name), reach, half_life_ms);
}

std::unique_ptr<expert> make_run_extension(std::string name, double reach_ms) {
  return std::make_unique<run_extension>(std::move(name), reach_ms);
}

std::unique_ptr<expert> make_neighbours() {
  return std::make_unique<neighbours>();
}

} // namespace foreshift
