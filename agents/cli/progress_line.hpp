// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace foreshift::cli {

/// A bar on standard error, if that is a terminal, for work that lasts longer than a second. One
/// thread.
class progress_line {
public:
  progress_line();
  ~progress_line() { clear(); }
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// `done`: 0..1. Draws a few times a second at most.
  void show(const char* doing, double done);
  void clear();

private:
  bool terminal_;
  bool drawn_ = false;
  std::int64_t next_ns_;
};

} // namespace foreshift::cli
