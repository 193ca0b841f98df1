// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/learned_arm.hpp"

#include "core/base/error.hpp"
#include "core/forecast/decayed_array.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <unordered_map>

namespace foreshift {

namespace {

constexpr std::size_t batch_rows = 256; // what a step needs stays cached
constexpr std::size_t sample_rows = 512;
constexpr std::size_t samples_max = 16;
constexpr int lesson_passes = 3;
constexpr std::int64_t sample_ms = 1'200'000; ///< For so long the same extents are sampled.
constexpr float learning_rate = 5e-4f;
constexpr float steps = 127;

std::int8_t pack_hidden(float x) { // within -1..1
  return static_cast<std::int8_t>(std::lrint(steps * x));
}

float unpack_hidden(std::int8_t x) {
  return static_cast<float>(x) / steps;
}

/// Fine near zero, coarse far from it, up to 126.
std::int8_t pack_cell(float x) {
  auto size = std::min(steps - 1, steps * std::abs(x) / (1 + std::abs(x)));
  return static_cast<std::int8_t>(std::lrint(std::copysign(size, x)));
}

float unpack_cell(std::int8_t x) {
  auto size = static_cast<float>(x);
  return size / (steps - std::min(std::abs(size), steps - 1));
}

/// The rows whose extents come first in an order that changes with `salt`.
void take(std::vector<std::uint32_t> of, std::size_t count, const candidates& now,
          std::uint64_t salt, std::vector<std::uint32_t>& to) {
  auto key = [&](std::uint32_t row) {
    auto mixed = (now.extents[row] + (salt << 32)) * 0x9e3779b97f4a7c15ull;
    return (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ull;
  };
  if (of.size() > count) {
    std::nth_element(of.begin(), of.begin() + static_cast<std::ptrdiff_t>(count), of.end(),
                     [&](auto a, auto b) { return key(a) < key(b); });
    of.resize(count);
  }
  std::sort(of.begin(), of.end());
  to.insert(to.end(), of.begin(), of.end());
}

} // namespace

learned_arm::learned_arm(std::size_t experts, lstm_weights start)
    : experts_(experts), weights_(std::move(start)), optimizer_(learning_rate) {
  FORESHIFT_ENSURE(weights_.inputs == experts + more_inputs && weights_.hidden == units);
}

std::vector<float> learned_arm::inputs_of(const level_columns& levels,
                                          std::span<const std::uint32_t> rows,
                                          std::int64_t now_ms) const {
  constexpr double day_ms = 86'400e3;
  auto angle = 2 * std::numbers::pi * static_cast<double>(now_ms) / day_ms;
  auto sine = static_cast<float>(std::sin(angle)), cosine = static_cast<float>(std::cos(angle));
  std::vector<float> out(rows.size() * weights_.inputs);
  for (std::size_t i = 0; i < experts_; ++i)
    for (std::size_t row = 0; row < rows.size(); ++row) {
      auto level = levels[i][rows[row]]; // 0 is none, 1 the hottest
      out[row * weights_.inputs + i] =
          level == 0 ? 0 : 1 - static_cast<float>(level - 1) / rank_levels;
    }
  for (std::size_t row = 0; row < rows.size(); ++row) {
    auto* rest = &out[row * weights_.inputs + experts_];
    rest[0] = sine;
    rest[1] = cosine;
    std::copy(activity_.begin(), activity_.end(), rest + time_inputs);
  }
  return out;
}

lstm_state learned_arm::states_of(std::span<const std::uint32_t> rows) const {
  lstm_state out{std::vector<float>(rows.size() * units), std::vector<float>(rows.size() * units)};
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (rows[row] < states_.size())
      for (std::size_t i = 0; i < units; ++i) {
        out.hidden[row * units + i] = unpack_hidden(states_[rows[row]][i]);
        out.cell[row * units + i] = unpack_cell(states_[rows[row]][units + i]);
      }
  return out;
}

void learned_arm::score(const level_columns& levels, std::int64_t now_ms,
                        std::span<float> out) const {
  std::vector<std::uint32_t> rows;
  for (std::size_t begin = 0; begin < out.size(); begin += batch_rows) {
    rows.resize(std::min(batch_rows, out.size() - begin));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(begin));
    auto state = states_of(rows);
    auto logs = lstm_step(weights_, inputs_of(levels, rows, now_ms), state);
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[begin + i] = std::exp(std::clamp(logs[i], -20.0f, 20.0f));
  }
}

void learned_arm::step(const candidates& now, std::size_t slots, std::int64_t now_ms,
                       std::int64_t end_ms) {
  grow(states_, slots);
  remember(now, now_ms, end_ms);
  std::vector<std::uint32_t> rows;
  for (std::size_t begin = 0; begin < slots; begin += batch_rows) {
    rows.resize(std::min(batch_rows, slots - begin));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(begin));
    auto state = states_of(rows);
    lstm_step(weights_, inputs_of(now.levels, rows, now_ms), state);
    for (std::size_t row = 0; row < rows.size(); ++row)
      for (std::size_t i = 0; i < units; ++i) {
        states_[begin + row][i] = pack_hidden(state.hidden[row * units + i]);
        states_[begin + row][units + i] = pack_cell(state.cell[row * units + i]);
      }
  }
}

/// Three of four rows are contenders, which some expert has among its hottest.
void learned_arm::remember(const candidates& now, std::int64_t now_ms, std::int64_t end_ms) {
  std::vector<std::uint32_t> rows, contenders, others;
  for (std::uint32_t i = 0; i < now.extents.size(); ++i)
    (now.picks[i] != 0 ? contenders : others).push_back(i);
  auto salt = static_cast<std::uint64_t>(now_ms / sample_ms);
  take(std::move(contenders), sample_rows * 3 / 4, now, salt, rows);
  take(std::move(others), sample_rows / 4, now, salt, rows);
  if (samples_.size() >= samples_max)
    samples_.pop_front();
  auto& to = samples_.emplace_back();
  to.end_ms = end_ms;
  to.seen.at_ms = now_ms;
  for (auto i : rows)
    to.seen.extents.push_back(now.extents[i]);
  to.seen.inputs = inputs_of(now.levels, rows, now_ms);
  to.before = states_of(rows);
}

void learned_arm::learn(const lesson& of) {
  while (!samples_.empty() && samples_.front().end_ms < of.end_ms)
    samples_.pop_front();
  if (samples_.empty() || samples_.front().end_ms != of.end_ms)
    return;
  auto from = std::move(samples_.front());
  samples_.pop_front();
  std::unordered_map<std::uint32_t, float> came;
  for (std::size_t i = 0; i < of.rows(); ++i)
    came[of.extents[i]] = of.total[i];
  for (auto extent : from.seen.extents) {
    auto found = came.find(extent);
    from.seen.targets.push_back(found == came.end() ? 0 : found->second);
  }
  if (watch_)
    watch_(from.seen);
  if (from.seen.targets.empty())
    return;
  if (noted_.size() >= samples_max) // learning does not keep up: the oldest tell least
    noted_.pop_front();
  noted_.push_back(std::move(from));
}

bool learned_arm::study() {
  if (noted_.empty())
    return false;
  auto from = std::move(noted_.front());
  noted_.pop_front();
  std::vector<std::vector<float>> inputs{std::move(from.seen.inputs)};
  for (int i = 0; i < lesson_passes; ++i)
    optimizer_.apply(weights_, lstm_learn(weights_, inputs, from.before, from.seen.targets));
  return true;
}

void learned_arm::keep(std::span<const std::uint32_t> slots) {
  gather(states_, slots, {});
}

void learned_arm::save(byte_writer& out) const {
  out.put_all(weights_.gates);
  out.put_all(weights_.head);
  out.put_all(states_);
}

void learned_arm::load(byte_reader& in, std::size_t slots) {
  for (auto* part : {&weights_.gates, &weights_.head}) {
    *part = in.get_column<float>(part->size());
    for (auto each : *part)
      in.require(std::isfinite(each) && std::abs(each) < 1e4f);
  }
  states_ = in.get_all<packed_state>(slots);
}

} // namespace foreshift
