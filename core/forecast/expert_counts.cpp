// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/decayed_array.hpp"
#include "core/forecast/experts.hpp"

namespace foreshift {

namespace {

class decayed_count final : public expert {
public:
  decayed_count(std::string name, measure what, double half_life_ms)
      : name_(std::move(name)), what_(what), array_(half_life_ms) {}

  std::string_view name() const override { return name_; }

  void fold(const extent_table& table, std::uint32_t window, std::uint32_t window_ms, std::int64_t,
            std::span<const window_count> counts) override {
    array_.grow(table.size());
    for (auto& each : counts)
      array_.add(table, window, window_ms, each.slot, amount(each));
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    array_.write_to(view, out);
  }

  void keep(std::span<const std::uint32_t> slots) override { array_.keep(slots); }
  void save(byte_writer& out) const override { array_.save(out); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override { array_.load(in, slots); }

private:
  float amount(const window_count& x) const {
    switch (what_) {
    case measure::seen:
      return 1;
    case measure::fresh:
      return static_cast<float>(x.fresh);
    case measure::rest:
      return static_cast<float>(x.all() - x.run);
    case measure::pages:
      break;
    }
    return static_cast<float>(x.all());
  }

  std::string name_;
  measure what_;
  decayed_array array_;
};

/// Needs nothing but the table; recency ranks, age does not.
class last_use final : public expert {
public:
  explicit last_use(bool ranks) : ranks_(ranks) {}

  std::string_view name() const override { return ranks_ ? "recency" : "age"; }
  bool ranks() const override { return ranks_; }

  void fold(const extent_table& table, std::uint32_t, std::uint32_t, std::int64_t,
            std::span<const window_count>) override {
    known_ = table.size();
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    constexpr float octaves = 16; // of seconds, 18 hours
    auto seen = xt::cast<float>(lens(view.table.last_window.data(), known_));
    auto age = 1.0f + static_cast<float>(view.window) - seen;
    auto seconds = static_cast<float>(view.window_ms) / 1000.0f;
    if (ranks_)
      lens(out.data(), known_) = 1.0f / age;
    else
      lens(out.data(), known_) = xt::minimum(1.0f, xt::log2(2.0f + age * seconds) / octaves);
  }

  void keep(std::span<const std::uint32_t> slots) override { known_ = slots.size(); }
  void save(byte_writer& out) const override { out.put(static_cast<std::uint64_t>(known_)); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    known_ = in.get<std::uint64_t>();
    in.require(known_ <= slots);
  }

private:
  bool ranks_;
  std::size_t known_ = 0; ///< Slots with a closed window.
};

class pace final : public expert {
public:
  std::string_view name() const override { return "pace"; }

  void fold(const extent_table& table, std::uint32_t window, std::uint32_t, std::int64_t,
            std::span<const window_count> counts) override {
    grow(gap_log2_, table.size(), unknown);
    for (auto& each : counts) {
      auto& gap = gap_log2_[each.slot];
      auto now = std::log2(static_cast<float>(std::max(1u, window - table.last_window[each.slot])));
      if (gap == unknown)
        gap = window == table.last_window[each.slot] ? once : now;
      else
        gap = gap == once ? now : 0.75f * gap + 0.25f * now;
    }
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    auto count = gap_log2_.size();
    auto gap = xt::exp2(lens(gap_log2_.data(), count));
    auto age = 1.0f + static_cast<float>(view.window)
               - xt::cast<float>(lens(view.table.last_window.data(), count));
    lens(out.data(), count) = xt::exp2(-xt::maximum(age - gap, 0.0f) / gap) / gap;
  }

  void keep(std::span<const std::uint32_t> slots) override { gather(gap_log2_, slots, unknown); }
  void save(byte_writer& out) const override { out.put_all(gap_log2_); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    gap_log2_ = in.get_amounts(slots);
  }

private:
  static constexpr float once = 24;
  static constexpr float unknown = 32;

  std::vector<float> gap_log2_; ///< Of the mean gap in windows.
};

class read_share final : public expert {
public:
  std::string_view name() const override { return "read_share"; }
  bool ranks() const override { return false; }

  void fold(const extent_table& table, std::uint32_t, std::uint32_t, std::int64_t,
            std::span<const window_count> counts) override {
    grow(share_, table.size(), half);
    for (auto& each : counts) {
      auto now = static_cast<float>(each.reads) / static_cast<float>(std::max(1u, each.all()));
      auto weight = std::min(0.5f, static_cast<float>(each.all()) / 64.0f);
      auto share = static_cast<float>(share_[each.slot]);
      share_[each.slot] = static_cast<std::uint16_t>(share + weight * (now * whole - share));
    }
  }

  void score(const forecast_view& view, std::span<float> out) const override {
    std::transform(share_.begin(), share_.end(), out.begin(),
                   [](auto share) { return static_cast<float>(share) / whole; });
    for (std::size_t i = 0; i < view.beyond.size(); ++i) { // likely as what lies before it
      auto before = view.beyond[i] == 0 ? extent_table::none : view.place_of(view.beyond[i] - 1);
      out[view.table.size() + i] = before == extent_table::none ? 0.5f : out[before];
    }
  }

  void keep(std::span<const std::uint32_t> slots) override { gather(share_, slots, half); }
  void save(byte_writer& out) const override { out.put_all(share_); }
  void load(byte_reader& in, std::size_t slots, std::uint32_t) override {
    share_ = in.get_all<std::uint16_t>(slots);
  }

private:
  static constexpr std::uint16_t half = 0x8000;
  static constexpr float whole = 0xffff;

  std::vector<std::uint16_t> share_;
};

} // namespace

std::unique_ptr<expert> make_decayed_count(std::string name, measure what, double half_life_ms) {
  return std::make_unique<decayed_count>(std::move(name), what, half_life_ms);
}

std::unique_ptr<expert> make_recency() {
  return std::make_unique<last_use>(true);
}

std::unique_ptr<expert> make_age() {
  return std::make_unique<last_use>(false);
}

std::unique_ptr<expert> make_pace() {
  return std::make_unique<pace>();
}

std::unique_ptr<expert> make_read_share() {
  return std::make_unique<read_share>();
}

} // namespace foreshift
