// SPDX-License-Identifier: Apache-2.0
#include "core/vm/promise.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace foreshift {

namespace {

/// Nearest rank; 0 for nothing.
template <class T>
T quantile(std::vector<T> all, double share) {
  if (all.empty())
    return T{};
  std::sort(all.begin(), all.end());
  auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(all.size())));
  return all[std::clamp<std::size_t>(rank, 1, all.size()) - 1];
}

std::uint64_t phase_us(const vm_account& x, std::string_view name) {
  auto at = std::find_if(x.phases.begin(), x.phases.end(),
                         [&](const vm_phase& p) { return p.name == name; });
  return at == x.phases.end() ? 0 : at->duration_us;
}

std::span<const vm_past> latest(std::span<const vm_past> past) {
  return past.last(std::min(past.size(), vm_pasts_max));
}

/// Bytes a second of past RAM streams, median.
double stream_rate(std::span<const vm_past> past) {
  std::vector<double> rates;
  for (auto& x : past)
    if (auto us = phase_us(x.came, "ram"); us > 0 && x.came.ram_bytes > 0)
      rates.push_back(static_cast<double>(x.came.ram_bytes) * 1e6 / static_cast<double>(us));
  return quantile(rates, 0.5);
}

double seconds(std::uint64_t bytes, double rate) {
  return rate > 0 ? static_cast<double>(bytes) / rate : 0;
}

} // namespace

vm_promise promise_of(const vm_prospect& next, std::span<const vm_past> past) {
  past = latest(past);
  vm_promise out;
  out.bytes = next.bytes;
  out.ram_bytes = next.ram_bytes;
  auto stream =
      next.bandwidth_bytes > 0 ? static_cast<double>(next.bandwidth_bytes) : stream_rate(past);
  auto span =
      seconds(next.bytes, static_cast<double>(next.rate_bytes)) + seconds(next.ram_bytes, stream);
  out.duration_ms = static_cast<std::uint64_t>(span * 1000);
  std::vector<std::uint64_t> blackouts;
  for (auto& x : past)
    if (x.came.blackout_us > 0)
      blackouts.push_back(x.came.blackout_us);
  if (blackouts.empty())
    return out;
  out.basis = static_cast<std::uint32_t>(blackouts.size());
  double margin = 1 + 2 / std::sqrt(static_cast<double>(blackouts.size()));
  out.blackout_us = quantile(blackouts, 0.5);
  out.blackout_low_us =
      static_cast<std::uint64_t>(static_cast<double>(quantile(blackouts, 0.05)) / margin);
  out.blackout_high_us =
      static_cast<std::uint64_t>(static_cast<double>(quantile(blackouts, 0.95)) * margin);
  return out;
}

void encode_calibration(std::span<const vm_past> past, schema::Calibration::Builder out) {
  std::uint32_t promised = 0;
  std::uint32_t within = 0;
  std::vector<double> bytes;
  std::vector<double> durations;
  std::vector<std::uint64_t> switches;
  for (auto& x : past) {
    if (x.came.switch_us > 0)
      switches.push_back(x.came.switch_us);
    if (x.said.bytes > 0)
      bytes.push_back(static_cast<double>(x.bytes_moved) / static_cast<double>(x.said.bytes));
    if (x.said.duration_ms > 0)
      durations.push_back(static_cast<double>(x.came.total_us)
                          / (1000.0 * static_cast<double>(x.said.duration_ms)));
    if (x.said.basis == 0 || x.came.blackout_us == 0)
      continue;
    ++promised;
    within += x.came.blackout_us >= x.said.blackout_low_us
              && x.came.blackout_us <= x.said.blackout_high_us;
  }
  auto next = promise_of({}, past);
  out.setMigrations(promised);
  out.setWithin(within);
  out.setBlackoutUs(next.blackout_us);
  out.setBlackoutLowUs(next.blackout_low_us);
  out.setBlackoutHighUs(next.blackout_high_us);
  out.setBytesRatio(quantile(bytes, 0.5));
  out.setDurationRatio(quantile(durations, 0.5));
  out.setSwitchUs(quantile(switches, 0.5));
  out.setSwitchP99Us(quantile(switches, 0.99));
}

} // namespace foreshift
