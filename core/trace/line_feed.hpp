// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/byte_source.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace foreshift {

/// Cuts a source into lines, or into records of a fixed size. Views hold until the next call. One
/// thread.
class line_feed {
public:
  static constexpr std::size_t line_bytes_max = 64u << 10;

  explicit line_feed(std::unique_ptr<byte_source> from);

  /// What the source begins with: up to 64 KiB, before anything has been taken.
  std::string_view head();

  /// The next line without its end (LF or CRLF); false at the end and after a fault. Of a line
  /// above `line_bytes_max` only its beginning is given, and `overlong` is set.
  bool line(std::string_view& out);

  /// The next so many bytes; at the end perhaps fewer, but not none.
  bool record(std::size_t bytes, std::string_view& out);

  bool overlong() const { return overlong_; }
  const std::optional<fault>& failed() const { return failed_; }
  std::uint64_t taken() const { return from_->taken(); }

private:
  bool fill();
  bool skip_line();

  std::unique_ptr<byte_source> from_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
  bool overlong_ = false;
  std::optional<fault> failed_;
};

} // namespace foreshift
