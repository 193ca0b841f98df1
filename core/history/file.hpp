// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/history/check.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace foreshift::history {

// A history file is text, one operation a line, in any order:
//
//   CLIENT KIND BLOCK STAMP START END OUTCOME
//
// KIND is read, write or zero; OUTCOME is ok, failed or unknown; numbers are decimal. END is '-'
// for what never ended, STAMP is '-' for what is not known (a read that failed) and 'torn' for
// bytes that are no stamped block. Fields are separated by blanks; '#' begins a comment; empty
// lines mean nothing.

inline constexpr std::size_t line_bytes_max = 1024;

/// One line without its end; none for a comment or an empty line. Errors: malformed, and the
/// sentence begins with "line L, column C".
result<std::optional<operation>> parse_line(std::string_view text, std::uint64_t line);

/// The line of an operation, with its end; parse_line() reads it back, but for `line`.
std::string format_line(const operation& op);

/// Checks text that is in memory. Errors: as parse_line() and check_block().
result<verdict> check_text(std::string_view text);

/// Checks a file of any size with memory for about `operations_max` operations: it is read as often
/// as that takes, each time for a part of the blocks. Errors: not_found, storage, and as
/// check_text().
result<verdict> check_file(const std::string& path, std::uint64_t operations_max = 8'000'000);

} // namespace foreshift::history
