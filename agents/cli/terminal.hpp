// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace foreshift::cli {

/// Whether standard output is a terminal.
bool on_terminal();

/// Whether colour may be used: a terminal, and NO_COLOR is not set.
bool colourful();

enum class paint { none, good, bad, warn, faint };

/// `text` in a colour, or as it is where colour is not wanted.
std::string painted(std::string_view text, paint how, bool colour = colourful());

/// Heat as blocks, rows of `columns` cells, each row led by the extent it starts at. Heights (and
/// colours) follow the square root of the heat, so that warm parts stay visible beside hot ones.
std::string heat_strip(std::span<const float> heat, std::uint64_t extents, std::size_t columns,
                       bool colour);

/// "[=====>    ]" with `share` (0..1) of `columns` filled.
std::string bar(double share, std::size_t columns);

/// "2026-11-22 10:00:00" in local time, or "-" for 0.
std::string local_time(std::int64_t wall_ms);

/// "3 s ago", "2m05s ago", or "never" for 0.
std::string age(std::int64_t wall_ms);

/// "87.5 %".
std::string percent(double share);

/// "1234.5" with as many digits as matter.
std::string number(double value);

} // namespace foreshift::cli
