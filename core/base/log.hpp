// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <fmt/core.h>

#include <string_view>

namespace foreshift {

/// Sets the process-wide logger: one line per event on standard error,
/// "2026-11-22T10:00:00.123Z info agent: sentence key=value". Call once, from `main`.
/// `level` is one of trace, debug, info, warn, error, off; anything else is `invalid`.
result<void> start_log(std::string_view program, std::string_view level);

/// A log sentence is subject, verb, object; then key=value fields. `info` is what an operator can
/// act on. Usage: `slog::info("volume {} attached host={} epoch={}", name, host, epoch)`.
///
/// spdlog writes the lines. Its own calls are templates that compile all of fmt into each caller;
/// these compile to one call. Any thread.
namespace slog {

enum class level { debug, info, warn, error, critical, off };

/// Lines below `least` are dropped from now on.
void set_level(level least);

/// What the templates below call.
void write(level how, fmt::string_view text, fmt::format_args values);

template <class... T>
void debug(fmt::format_string<T...> text, T&&... values) {
  write(level::debug, text, fmt::make_format_args(values...));
}

template <class... T>
void info(fmt::format_string<T...> text, T&&... values) {
  write(level::info, text, fmt::make_format_args(values...));
}

template <class... T>
void warn(fmt::format_string<T...> text, T&&... values) {
  write(level::warn, text, fmt::make_format_args(values...));
}

template <class... T>
void error(fmt::format_string<T...> text, T&&... values) {
  write(level::error, text, fmt::make_format_args(values...));
}

template <class... T>
void critical(fmt::format_string<T...> text, T&&... values) {
  write(level::critical, text, fmt::make_format_args(values...));
}

} // namespace slog

} // namespace foreshift
