// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace foreshift::qmp {

/// Limits on what QEMU may say: a line, and how deep its JSON nests.
inline constexpr std::size_t line_bytes_max = 1u << 20;
inline constexpr int depth_max = 32;

struct greeting {
  int major = 0, minor = 0, micro = 0; ///< QEMU's version.
};

/// The answer to a command.
struct reply {
  std::shared_ptr<const nlohmann::json> value; ///< Never null.
};

/// QEMU refused a command.
struct error {
  std::string kind; ///< "GenericError", "CommandNotFound", "DeviceNotActive", ...
  std::string text;
};

/// Something happened.
struct event {
  std::string name;       ///< "STOP", "RESUME", "MIGRATION", "MIGRATION_PASS", "SHUTDOWN", ...
  std::int64_t at_us = 0; ///< QEMU's wall clock, microseconds since 1970; 0: not told.
  std::string status;     ///< Of MIGRATION: "setup", "active", "pre-switchover", "completed", ...
  std::int64_t pass = 0;  ///< Of MIGRATION_PASS, from 1.
};

using message = std::variant<greeting, reply, error, event>;

/// One line of a QEMU monitor. `malformed`: no QMP message; `too_large`: beyond the limits above.
result<message> parse(std::string_view line);

/// Cuts a stream into lines. Holds at most one line.
class line_reader {
public:
  /// Appends what arrived. `too_large` when a line has no end within `line_bytes_max`.
  result<void> feed(std::string_view bytes);
  /// The next whole line without its end; empty lines are left out.
  std::optional<std::string> next();

private:
  std::string rest_;
  std::size_t scanned_ = 0; ///< No line ends before this.
};

} // namespace foreshift::qmp
