// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/line_feed.hpp"
#include "core/trace/request_parser.hpp"
#include "core/trace/trace_format.hpp"
#include "core/trace/trace_request.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace foreshift {

/// Times for a trace without: so many requests, evenly over a span.
struct trace_spread {
  std::uint64_t requests = 0;
  std::int64_t span_us = 0;
};

struct trace_options {
  trace_format format = trace_format::automatic;
  bool lenient = false; ///< Bad lines are skipped and counted instead of ending the reading.
  std::string volume;   ///< Only this one's requests; empty: all, laid side by side.
  std::uint64_t offset_end = std::uint64_t{1} << 63; ///< Requests must end at or before it.
  std::optional<trace_spread> spread;                ///< For traces without times.
};

/// What a reader has seen so far.
struct trace_counts {
  trace_format format = trace_format::automatic;
  std::uint64_t lines = 0; ///< Records, in a binary format.
  std::uint64_t requests = 0;
  std::uint64_t skipped = 0;   ///< Bad lines.
  std::string first_bad;       ///< "FILE:LINE:COLUMN: why" of the first of them.
  std::uint64_t reordered = 0; ///< Requests that came up to 10 s late and count as at the latest.
  bool timed = true;
  std::vector<std::string> volumes; ///< As the trace names them, in order of appearance.
};

/// Pulls requests out of a recorded trace, compressed or not, in memory that does not grow with it.
///
/// A line that makes no sense ends reading with `malformed` and "FILE:LINE:COLUMN: why", or with
/// `lenient` is skipped and counted; in binary formats the record's number stands for the line and
/// the byte in it for the column. Time never goes back: requests up to 10 s late (several queues
/// wrote the trace) are moved to the latest time seen, later ones are bad lines. The requests of
/// volumes behind the first lie at multiples of 2^44 bytes. One thread.
class trace_reader {
public:
  static constexpr std::int64_t late_us_max = 10'000'000;
  static constexpr unsigned volume_shift = 44;
  static constexpr std::size_t volumes_max = 256;

  static result<trace_reader> open(const std::string& path, const trace_options& options);
  /// The same for any source; `name` stands in messages.
  static result<trace_reader> from(std::unique_ptr<byte_source> source, std::string name,
                                   const trace_options& options);

  /// Fills `out` from the front; less than its size, also 0, only at the end.
  result<std::size_t> read(std::span<trace_request> out);

  const trace_counts& counts() const { return counts_; }

  /// Bytes of the file taken so far, to tell how far reading has come.
  std::uint64_t taken() const { return feed_->taken(); }

private:
  trace_reader(std::unique_ptr<line_feed> feed, std::unique_ptr<request_parser> parser,
               std::string name, trace_options options, trace_format format);

  bool next(std::string_view& line);
  bool accept(parsed_line& line);
  bool place(parsed_line& line);
  bool find_volume(std::string_view name, const char*& why);
  bool order(trace_request& x, const char*& why);
  result<void> bad(const parsed_line& line);

  std::unique_ptr<line_feed> feed_;
  std::unique_ptr<request_parser> parser_;
  std::string name_;
  trace_options options_;
  trace_counts counts_;
  std::size_t volume_ = 0; ///< The last request's, in `counts_.volumes`.
  std::uint64_t first_volume_end_ = 0;
  std::int64_t latest_us_ = 0;
  bool failure_told_ = false;
};

} // namespace foreshift
