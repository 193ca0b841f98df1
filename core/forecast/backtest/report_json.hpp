// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/backtest/backtest.hpp"

#include <string>

namespace foreshift {

/// One JSON object: `trace`, `requests`, `extents`, `decisions`, `oracle`, `arms` by name and a few
/// more, as docs/forecast.md tells. Shares are 0..1; what cannot be told is null. What differs from
/// run to run (times, memory) stands under `cost` alone.
std::string to_json(const backtest_report& report, std::uint64_t peak_memory_bytes);

} // namespace foreshift
