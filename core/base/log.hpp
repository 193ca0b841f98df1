// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

namespace foreshift {

/// Sets the process-wide logger: one line per event on standard error,
/// "2026-11-22T10:00:00.123Z info agent: sentence key=value". Call once, from `main`.
/// `level` is one of trace, debug, info, warn, error; anything else is `invalid`.
result<void> start_log(std::string_view program, std::string_view level);

/// A log sentence is subject, verb, object; then key=value fields. `info` is what an operator can
/// act on. Usage: `slog::info("volume {} attached host={} epoch={}", name, host, epoch)`.
namespace slog = spdlog;

} // namespace foreshift
