// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/trace_request.hpp"

#include <iosfwd>
#include <optional>
#include <string>

namespace foreshift {

/// Writes a fio iolog, version 3, that `fio --read_iolog` replays: times in microseconds from the
/// first request on, zeroing as `trim`. `file` is what fio will open; no blanks. One thread.
class iolog_writer {
public:
  iolog_writer(std::ostream& out, std::string file);

  void write(const trace_request& x);

  /// The last line; nothing may be written behind it.
  void end();

private:
  std::ostream& out_;
  std::string file_;
  std::optional<std::int64_t> start_us_;
  std::int64_t last_us_ = 0;
};

} // namespace foreshift
