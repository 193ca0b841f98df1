// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/learned_arm.hpp"

#include "core/forecast/decayed_array.hpp"

#include <bit>
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
constexpr std::uint32_t time_inputs = 2;

std::uint16_t pack(float x) {
  return static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(x) + 0x8000u) >> 16);
}

float unpack(std::uint16_t x) {
  return std::bit_cast<float>(std::uint32_t{x} << 16);
}

} // namespace

learned_arm::learned_arm(std::size_t experts, std::uint64_t seed)
    : experts_(experts), weights_(lstm_weights::random(
                             static_cast<std::uint32_t>(experts) + time_inputs, units, seed)) {}

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
    out[row * weights_.inputs + experts_] = sine;
    out[row * weights_.inputs + experts_ + 1] = cosine;
  }
  return out;
}

lstm_state learned_arm::states_of(std::span<const std::uint32_t> rows) const {
  lstm_state out{std::vector<float>(rows.size() * units), std::vector<float>(rows.size() * units)};
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (rows[row] < states_.size())
      for (std::size_t i = 0; i < units; ++i) {
        out.hidden[row * units + i] = unpack(states_[rows[row]][i]);
        out.cell[row * units + i] = unpack(states_[rows[row]][units + i]);
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
  states_.resize(slots);
  remember(now, now_ms, end_ms);
  std::vector<std::uint32_t> rows;
  for (std::size_t begin = 0; begin < slots; begin += batch_rows) {
    rows.resize(std::min(batch_rows, slots - begin));
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(begin));
    auto state = states_of(rows);
    lstm_step(weights_, inputs_of(now.levels, rows, now_ms), state);
    for (std::size_t row = 0; row < rows.size(); ++row)
      for (std::size_t i = 0; i < units; ++i) {
        states_[begin + row][i] = pack(state.hidden[row * units + i]);
        states_[begin + row][units + i] = pack(state.cell[row * units + i]);
      }
  }
}

/// Three of four rows are contenders, which some expert has among its hottest; evenly spread.
void learned_arm::remember(const candidates& now, std::int64_t now_ms, std::int64_t end_ms) {
  std::vector<std::uint32_t> rows, contenders, others;
  for (std::uint32_t i = 0; i < now.extents.size(); ++i)
    (now.picks[i] != 0 ? contenders : others).push_back(i);
  auto take = [&](const std::vector<std::uint32_t>& of, std::size_t count) {
    count = std::min(count, of.size());
    for (std::size_t i = 0; i < count; ++i)
      rows.push_back(of[i * of.size() / count]);
  };
  take(contenders, sample_rows * 3 / 4);
  take(others, sample_rows / 4);
  if (samples_.size() >= samples_max)
    samples_.pop_front();
  auto& to = samples_.emplace_back();
  to.end_ms = end_ms;
  for (auto i : rows)
    to.extents.push_back(now.extents[i]);
  to.inputs = inputs_of(now.levels, rows, now_ms);
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
  std::vector<float> targets;
  for (auto extent : from.extents) {
    auto found = came.find(extent);
    targets.push_back(found == came.end() ? 0 : found->second);
  }
  if (targets.empty())
    return;
  std::vector<std::vector<float>> steps{std::move(from.inputs)};
  for (int i = 0; i < lesson_passes; ++i)
    optimizer_.apply(weights_, lstm_learn(weights_, steps, from.before, targets));
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
  for (auto& state : states_)
    for (auto each : state)
      in.require(std::abs(unpack(each)) < 1e4f); // also false for what is no number
}

} // namespace foreshift
