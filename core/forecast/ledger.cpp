// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/ledger.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr double memory_decisions = 32;

} // namespace

void ledger::note(const entry& x) {
  line_.decisions += 1;
  auto weight = 1 / std::min(line_.decisions, memory_decisions);
  auto follow = [&](double& mean, double now) { mean += weight * (now - mean); };
  follow(line_.promised, x.promised);
  follow(line_.covered, x.covered);
  follow(line_.oracle, x.oracle);
  follow(line_.of_oracle, x.of_oracle);
  follow(line_.wasted, x.wasted);
  follow(line_.moved, x.moved);
  auto& bin = calibration_[static_cast<std::size_t>(std::clamp(x.promised * 10, 0.0, 9.0))];
  bin.decisions += 1;
  bin.promised += x.promised;
  bin.covered += x.covered;
}

void ledger::save(byte_writer& out) const {
  for (auto value : {line_.decisions, line_.promised, line_.covered, line_.oracle, line_.of_oracle,
                     line_.wasted, line_.moved})
    out.put(value);
  for (auto& bin : calibration_)
    for (auto value : {bin.decisions, bin.promised, bin.covered})
      out.put(value);
}

void ledger::load(byte_reader& in) {
  for (auto* value : {&line_.decisions, &line_.promised, &line_.covered, &line_.oracle,
                      &line_.of_oracle, &line_.wasted, &line_.moved})
    *value = in.get_amount();
  for (auto& bin : calibration_)
    bin = {in.get_amount(), in.get_amount(), in.get_amount()};
}

} // namespace foreshift
