// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/backtest/backtest.hpp"

#include <string>
#include <string_view>

namespace foreshift {

/// report_page.html, as built in.
extern const std::string_view report_page;

/// One HTML file that needs nothing else: what `to_json` tells, the trace as a heat map and every
/// arm's curve. The report must have a heat map.
std::string to_html(const backtest_report& report, std::uint64_t peak_memory_bytes);

} // namespace foreshift
