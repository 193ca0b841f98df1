// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/expert.hpp"

#include <memory>
#include <string>

namespace foreshift {

/// Counts that lose half their weight every `half_life_ms`: EWMA, and with a very long half-life
/// frequency. Runs may be left out.
std::unique_ptr<expert> make_decayed_count(std::string name, std::uint32_t window_ms,
                                           double half_life_ms);

/// The more recently touched, the hotter.
std::unique_ptr<expert> make_recency();

/// Sequential runs go on: their next extents, seen before or not, by their speed and at least 32
/// MiB ahead; everything else as a 30 s EWMA of what no run explains.
std::unique_ptr<expert> make_run_extension(std::uint32_t window_ms);

/// All that take part, in a fixed order.
std::vector<std::unique_ptr<expert>> make_experts(std::uint32_t window_ms);

} // namespace foreshift
