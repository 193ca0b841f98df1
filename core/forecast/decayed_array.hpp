// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/expert.hpp"
#include "core/forecast/growth.hpp"

#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>

#include <algorithm>
#include <cmath>

namespace foreshift {

/// Keeps the values of `slots` (ascending); slots that came since the last fold have no value yet
/// and get `fresh`.
template <class T>
void gather(std::vector<T>& values, std::span<const std::uint32_t> slots, T fresh) {
  values.resize(std::max<std::size_t>(values.size(), slots.empty() ? 0 : slots.back() + 1u), fresh);
  for (std::size_t i = 0; i < slots.size(); ++i)
    values[i] = values[slots[i]];
  values.resize(slots.size());
}

/// An array as xtensor sees it, without a copy.
template <class T>
auto lens(const T* values, std::size_t count) {
  return xt::adapt(values, count, xt::no_ownership(), std::array{count});
}

template <class T>
auto lens(T* values, std::size_t count) {
  return xt::adapt(values, count, xt::no_ownership(), std::array{count});
}

/// One amount per slot that loses half every half-life, lazily: each is as of its slot's last
/// window.
class decayed_array {
public:
  explicit decayed_array(double half_life_ms) : half_life_ms_(half_life_ms) {}

  void add(const extent_table& table, std::uint32_t window, std::uint32_t window_ms,
           std::uint32_t slot, float amount) {
    auto age = static_cast<float>(window - table.last_window[slot]);
    values_[slot] = values_[slot] * std::exp(-rate(window_ms) * age) + amount;
  }

  void grow(std::size_t slots) { foreshift::grow(values_, slots); }

  /// Values as of `view.window`.
  void write_to(const forecast_view& view, std::span<float> out) const {
    auto count = values_.size();
    auto age = static_cast<float>(view.window)
               - xt::cast<float>(lens(view.table.last_window.data(), count));
    lens(out.data(), count) = lens(values_.data(), count) * xt::exp(-rate(view.window_ms) * age);
  }

  void keep(std::span<const std::uint32_t> slots) { gather(values_, slots, 0.0f); }
  void save(byte_writer& out) const { out.put_all(values_); }
  /// Slots that came in the open window have no values yet.
  void load(byte_reader& in, std::size_t slots) { values_ = in.get_amounts(slots); }

  const std::vector<float>& values() const { return values_; }

private:
  float rate(std::uint32_t window_ms) const {
    return static_cast<float>(std::log(2.0) * window_ms / half_life_ms_);
  }

  double half_life_ms_;
  std::vector<float> values_;
};

} // namespace foreshift
