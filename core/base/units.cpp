// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace foreshift {

namespace {

fault bad(std::string_view what, std::string_view text, std::string_view hint) {
  return {errc::invalid, fmt::format("'{}' is not a {}; write it like {}", text, what, hint)};
}

/// Splits "12.5ms" into a number and its suffix. Refuses signs, infinities and hexadecimal.
bool split(std::string_view text, double& number, std::string_view& suffix) {
  if (text.empty() || text.front() < '0' || text.front() > '9')
    return false;
  auto [end, ec] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (ec != std::errc{} || !std::isfinite(number))
    return false;
  suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  return true;
}

} // namespace

result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view hint = "4GiB, 64MiB or 4096";
  std::uint64_t number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || text.empty())
    return bad("size in whole units", text, hint);
  auto suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  std::uint64_t unit = 1;
  if (!suffix.empty() && suffix != "B") {
    auto power = std::string_view{"KMGTP"}.find(static_cast<char>(suffix[0] & ~0x20));
    auto rest = suffix.substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "iB" && rest != "B"))
      return bad("size in whole units", text, hint);
    unit = std::uint64_t{1} << (10 * (power + 1));
  }
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(number, unit, &bytes))
    return bad("size below 16 EiB", text, hint);
  return bytes;
}

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  double number = 0;
  std::string_view suffix;
  if (split(text, number, suffix)) {
    for (auto [name, ms] : {std::pair<std::string_view, double>{"ms", 1},
                            {"s", 1e3},
                            {"", 1e3},
                            {"m", 60e3},
                            {"min", 60e3},
                            {"h", 3600e3},
                            {"d", 86400e3}})
      if (suffix == name && number * ms < 1e15)
        return std::chrono::milliseconds{static_cast<std::int64_t>(number * ms)};
  }
  return bad("duration", text, "250ms, 60s, 5m, 2h or 7d");
}

result<double> parse_share(std::string_view text) {
  double number = 0;
  std::string_view suffix;
  if (split(text, number, suffix) && (suffix.empty() || suffix == "%")) {
    auto share = suffix.empty() ? number : number / 100;
    if (share <= 1)
      return share;
  }
  return bad("share of 0 to 100 %", text, "90% or 0.9");
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1023.5 && unit + 1 < units.size(); ++unit)
    value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 || value >= 99.95 ? 0 : 1, units[unit]);
}

std::string format_duration(std::chrono::nanoseconds span) {
  auto ns = static_cast<double>(span.count());
  if (ns < 1e6)
    return fmt::format("{:.0f} us", ns / 1e3);
  if (ns < 1e9)
    return fmt::format("{:.2f} ms", ns / 1e6);
  if (ns < 120e9)
    return fmt::format("{:.1f} s", ns / 1e9);
  auto seconds = static_cast<std::int64_t>(ns / 1e9);
  return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
}

} // namespace foreshift
