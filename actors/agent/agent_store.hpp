// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

struct agent_store_options {
  std::string path;
  std::uint64_t history_bytes_max = 1ull << 30; ///< Of access-log segments, compressed.
  std::chrono::milliseconds history_age_max{7 * 86'400'000}; ///< Older segments are erased.
};

/// A compressed piece of one volume's access log.
struct log_segment {
  std::int64_t start_ms = 0; ///< Wall clock.
  std::uint64_t volume = 0;
  std::uint64_t records = 0;
  std::string body;
};

struct log_totals {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;
};

/// The agent's durable memory: a few named records and the bounded access log. Blocks on disk; one
/// thread at a time. All faults are `storage` unless said.
class agent_store {
public:
  virtual ~agent_store() = default;

  enum class durability {
    process, ///< Survives kill -9.
    power,   ///< Survives power loss: fsync before it returns.
  };

  virtual result<void> put(std::string_view key, std::string_view value, durability how) = 0;

  /// `not_found` when there is no such record.
  virtual result<std::string> get(std::string_view key) const = 0;

  /// Appends segments, then erases the oldest until the log is within its limits of size and of
  /// age, seen from `now_ms`. One atomic write.
  virtual result<void> append(const std::vector<log_segment>& segments, std::int64_t now_ms) = 0;

  /// Up to `segments_max` segments that start at or after `from_ms`, oldest first.
  virtual result<std::vector<log_segment>> log(std::int64_t from_ms,
                                               std::size_t segments_max) const = 0;

  virtual log_totals totals() const = 0;
};

/// Opens or creates the RocksDB at `options.path`, 0700. `busy`: another process has it.
result<std::unique_ptr<agent_store>> open_agent_store(agent_store_options options);

/// Opens one that exists to read from it, also beside its agent; later appends are not seen and
/// writing is a `storage` fault.
result<std::unique_ptr<agent_store>> read_agent_store(const std::string& path);

} // namespace foreshift
