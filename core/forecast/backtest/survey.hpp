// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/roaring.hpp"
#include "core/trace/trace_reader.hpp"

#include <functional>

namespace foreshift {

/// What one pass over a whole trace tells.
struct trace_survey {
  trace_counts counts;
  std::int64_t start_us = 0;
  std::int64_t length_us = 0; ///< From the first request to behind the last; the span, if untimed.
  std::uint64_t page_accesses = 0;
  std::uint64_t file_bytes = 0;
  roaring::Roaring extents; ///< All that are touched.
};

/// Addresses that extents of this size can number.
std::uint64_t address_end(std::uint32_t extent_bytes);

/// Fails as the reader does, and with `malformed` when there is no request at all. A trace without
/// times is taken to last `span_us`. `progress` is told the bytes of the file taken so far.
result<trace_survey> survey_trace(const std::string& path, const trace_options& options,
                                  std::uint32_t extent_bytes, std::int64_t span_us,
                                  const std::function<void(std::uint64_t)>& progress);

} // namespace foreshift
