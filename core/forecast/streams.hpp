// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/forecast/bytes.hpp"
#include "core/trace/access.hpp"

#include <cstdint>
#include <vector>

namespace foreshift {

/// One sequential run of requests through a volume.
struct stream {
  std::uint64_t next = 0;  ///< The byte behind its furthest request.
  std::uint64_t span = 0;  ///< Bytes it has advanced, gaps included.
  std::uint64_t bytes = 0; ///< Bytes requested, repeats not counted.
  std::uint64_t holes = 0; ///< Bytes lately left out, which late requests may still fill.
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  std::uint32_t steps = 0; ///< Requests that advanced it.
  std::uint32_t requests = 0;
  std::uint32_t writes = 0;   ///< Of the requests.
  std::uint32_t used = 0;     ///< Since the replacing hand last came by.
  std::uint64_t advanced = 0; ///< Bytes, decayed since `last_ms`.

  /// Enough steps over enough distance, nearly without holes: not random requests that happened to
  /// lie behind each other.
  bool confirmed() const;

  /// Bytes a second, lately.
  double speed(std::int64_t now_ms) const;

  /// Chance that it still runs, from how long it has been silent for its habits.
  double alive(std::int64_t now_ms) const;
};

/// Finds sequential runs, several at once and with requests slightly out of order. A feature shared
/// by experts. One thread.
class stream_tracker {
public:
  /// Whether the request belongs to a confirmed run.
  bool observe(const access& x);

  const std::vector<stream>& all() const { return streams_; }

  void save(byte_writer& out) const { out.put_all(streams_); }
  bool load(byte_reader& in);

private:
  stream& replaceable(std::int64_t now_ms);

  std::vector<stream> streams_;
  std::size_t hand_ = 0;
};

} // namespace foreshift
