// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace foreshift {

/// What went wrong, at the granularity a caller can act on. The numbers travel in `Fault` messages
/// (schemas/door.capnp) and are never reused.
enum class errc : std::uint8_t {
  ok = 0,
  failed = 1,    ///< An operation ran and did not succeed.
  invalid = 2,   ///< The request makes no sense (wrong usage, bad value).
  not_found = 3, ///< No such volume, host, task or key.
  precondition =
      4,           ///< The state does not allow it now (gate not met, host full, already attached).
  timeout = 5,     ///< It took longer than asked for; the outcome may be unknown.
  unreachable = 6, ///< The other side cannot be reached.
  refused = 7,     ///< Fenced, stale epoch, or not permitted.
  malformed = 8,   ///< Bytes do not decode as what they claim to be.
  too_large = 9,   ///< A declared limit was exceeded.
  storage = 10,    ///< A disk or database failed.
  corrupt = 11,    ///< Data does not match its checksum.
  no_space = 12,   ///< The disk is full, or a reserve would be broken.
  exists = 13,     ///< The name is taken.
  busy = 14,       ///< Another operation holds it.
  canceled = 15,   ///< Someone asked to stop.
};

/// Stable lower-case name, used in logs, JSON and metrics.
std::string_view to_string(errc code) noexcept;

/// Exit code of a command that ended with `code`: 0 ok, 1 failed, 2 usage, 3 not found,
/// 4 precondition, 5 timeout, 6 unreachable, 7 refused.
int exit_code(errc code) noexcept;

/// An error value: a code for machines and a sentence for people.
struct fault {
  errc code = errc::failed;
  std::string detail;

  friend bool operator==(const fault&, const fault&) = default;
};

/// "not_found: no volume named 'x'".
std::string to_string(const fault& why);

/// A broken invariant of the program itself: logs and aborts, also in release builds. The
/// supervisor restarts the process from its durable state.
[[noreturn]] void broken(const char* condition, const char* file, int line);

} // namespace foreshift

#define FORESHIFT_ENSURE(condition)                                                                \
  (static_cast<bool>(condition) ? void(0) : ::foreshift::broken(#condition, __FILE__, __LINE__))
