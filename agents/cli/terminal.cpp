// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/terminal.hpp"

#include "core/base/clock.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <unistd.h>

namespace foreshift::cli {

bool on_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}

bool colourful() {
  const char* no = std::getenv("NO_COLOR");
  return on_terminal() && (no == nullptr || *no == '\0');
}

std::string painted(std::string_view text, paint how, bool colour) {
  constexpr std::array<int, 5> codes{0, 32, 31, 33, 90};
  if (!colour || how == paint::none)
    return std::string{text};
  return fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<std::size_t>(how)], text);
}

std::string heat_strip(std::span<const float> heat, std::uint64_t extents, std::size_t columns,
                       bool colour) {
  constexpr std::array<const char*, 9> blocks{"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::array<int, 9> colours{238, 24, 31, 37, 71, 142, 178, 208, 196};
  auto most = heat.empty() ? 0.0f : *std::max_element(heat.begin(), heat.end());
  std::string out;
  for (std::size_t i = 0; i < heat.size(); ++i) {
    if (i % columns == 0)
      out += fmt::format("{}{:>8} ", i == 0 ? "" : "\n", extents * i / heat.size());
    std::size_t level = 0;
    if (most > 0 && heat[i] > 0)
      level = 1 + static_cast<std::size_t>(std::lround(7 * std::sqrt(heat[i] / most)));
    level = std::min(level, blocks.size() - 1);
    if (colour)
      out += fmt::format("\x1b[38;5;{}m{}\x1b[0m", colours[level], blocks[level]);
    else
      out += blocks[level];
  }
  return out + "\n";
}

std::string bar(double share, std::size_t columns) {
  auto filled =
      static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(columns));
  std::string out(filled, '=');
  if (filled < columns)
    out += '>';
  out.resize(columns, ' ');
  return "[" + out + "]";
}

std::string local_time(std::int64_t wall_ms) {
  if (wall_ms == 0)
    return "-";
  std::time_t seconds = wall_ms / 1000;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::string age(std::int64_t wall_ms) {
  if (wall_ms == 0)
    return "never";
  auto ms = std::max<std::int64_t>(0, system_clock().wall_ms() - wall_ms);
  if (ms < 1000)
    return "now";
  if (ms < 120'000)
    return fmt::format("{} s ago", ms / 1000);
  return format_duration(std::chrono::milliseconds{ms}) + " ago";
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string number(double value) {
  return fmt::format("{:.{}f}", value, value >= 100 || value == std::floor(value) ? 0 : 1);
}

} // namespace foreshift::cli
