// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"
#include "core/trace/access.hpp"

#include <cstdint>
#include <vector>

namespace foreshift {

/// One sequential run of requests through a volume.
struct stream {
  std::uint64_t next = 0;     ///< The byte behind its furthest request.
  std::uint64_t span = 0;     ///< Bytes it has advanced, gaps included.
  std::uint64_t bytes = 0;    ///< Bytes requested, repeats not counted.
  std::uint64_t advanced = 0; ///< In the open window.
  std::int64_t last_ms = 0;
  std::uint32_t steps = 0; ///< Requests that advanced it.
  std::uint32_t requests = 0;
  std::uint32_t writes = 0; ///< Of the requests.
  std::uint32_t used = 0;   ///< Since the replacing hand last came by.
  std::uint64_t holes = 0;  ///< Bytes lately left out, which late requests may still fill.
  std::uint64_t speed = 0;  ///< Bytes per second, lately.

  /// Enough steps over enough distance, nearly without holes: not random requests that happened to
  /// lie behind each other.
  bool confirmed() const;
};

/// Finds sequential runs, several at once and with requests slightly out of order. A feature shared
/// by experts. One thread.
class stream_tracker {
public:
  /// Whether the request belongs to a confirmed run.
  bool observe(const access& x);

  /// `windows` windows ended; updates speeds.
  void close(std::uint32_t windows, std::uint32_t window_ms);

  const std::vector<stream>& all() const { return streams_; }

  void save(byte_writer& out) const { out.put_all(streams_); }
  bool load(byte_reader& in);

private:
  stream& replaceable(std::int64_t now_ms);

  std::vector<stream> streams_;
  std::size_t hand_ = 0;
};

} // namespace foreshift
