// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace foreshift {

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;
inline constexpr std::uint64_t gib = 1024 * mib;
inline constexpr std::uint64_t tib = 1024 * gib;

/// Parses "4GiB", "64M", "4096" (bytes; K, M, G, T are powers of 1024, optionally followed by
/// "iB" or "B"). Fails with `invalid` on a fraction, a sign, an unknown suffix or overflow.
result<std::uint64_t> parse_bytes(std::string_view text);

/// Parses "250ms", "60s", "5m", "2h", "7d"; a bare number is seconds. Fails with `invalid`.
result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Parses "90%" or "0.9" into 0..1. Fails with `invalid` outside 0..100 %.
result<double> parse_share(std::string_view text);

/// "4.0 GiB", "512 B": three significant digits, binary units.
std::string format_bytes(std::uint64_t bytes);

/// "850 us", "1.25 ms", "12.0 s", "3m05s".
std::string format_duration(std::chrono::nanoseconds span);

} // namespace foreshift
