// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/survey.hpp"

#include "core/forecast/backtest/tally.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr std::size_t batch_requests = 4096;

} // namespace

std::uint64_t address_end(std::uint32_t extent_bytes) {
  constexpr std::uint64_t extents_max = 0xffff'ffff;
  return std::min(extents_max * extent_bytes, std::uint64_t{1} << 63);
}

result<trace_survey> survey_trace(const std::string& path, const trace_options& options,
                                  std::uint32_t extent_bytes, std::int64_t span_us,
                                  const std::function<void(std::uint64_t)>& progress) {
  auto narrowed = options;
  narrowed.offset_end = std::min(options.offset_end, address_end(extent_bytes));
  auto reader = trace_reader::open(path, narrowed);
  if (!reader)
    return reader.error();
  trace_survey out;
  std::vector<trace_request> batch(batch_requests);
  std::uint32_t before = ~0u; // most requests touch the extent that the one before touched
  std::int64_t end_us = 0;
  for (auto count = batch.size(); count == batch.size();) {
    auto got = reader->read(batch);
    if (!got)
      return got.error();
    count = *got;
    if (count > 0 && out.page_accesses == 0)
      out.start_us = batch.front().at_us;
    for (auto& x : std::span{batch}.first(count)) {
      auto last = x.offset + x.bytes - 1;
      out.page_accesses += last / tally_page_bytes - x.offset / tally_page_bytes + 1;
      auto first_extent = static_cast<std::uint32_t>(x.offset / extent_bytes);
      auto last_extent = static_cast<std::uint32_t>(last / extent_bytes);
      if (first_extent != before || last_extent != before)
        out.extents.addRange(first_extent, std::uint64_t{last_extent} + 1);
      before = last_extent;
      end_us = x.at_us + 1;
    }
    if (progress)
      progress(reader->taken());
  }
  out.counts = reader->counts();
  out.file_bytes = reader->taken();
  if (out.counts.requests == 0)
    return fault{errc::malformed,
                 path + " holds no request"
                     + (options.volume.empty() ? "" : " of volume '" + options.volume + "'")
                     + (out.counts.skipped > 0
                            ? "; the first of " + std::to_string(out.counts.skipped)
                                  + " bad lines: " + out.counts.first_bad
                            : "")};
  out.length_us = out.counts.timed ? end_us - out.start_us : span_us;
  out.extents.runOptimize();
  return out;
}

} // namespace foreshift
