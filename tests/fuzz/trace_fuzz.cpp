// SPDX-License-Identifier: Apache-2.0
// A recorded trace from a stranger, in the format FORESHIFT_FUZZED_FORMAT (`automatic`: any, also
// compressed). Whatever it holds: what is read makes sense, reading in other pieces gives the same,
// and lenient reading begins with what strict reading gives.
#include "core/trace/trace_reader.hpp"

#include <algorithm>

using namespace foreshift;

namespace {

struct reading {
  std::vector<trace_request> requests;
  trace_counts counts;
  bool failed = true;
};

reading read_all(const std::string& bytes, bool lenient, std::size_t batch) {
  trace_options options;
  options.format = trace_format::FORESHIFT_FUZZED_FORMAT;
  options.lenient = lenient;
  reading out;
  auto reader = trace_reader::from(source_of(bytes), "t", options);
  if (!reader)
    return out;
  constexpr std::size_t requests_max = 1u << 16; // a few bytes can unpack to a lot
  std::vector<trace_request> some(batch);
  for (auto count = batch; count == batch && out.requests.size() < requests_max;) {
    auto got = reader->read(some);
    if (!got)
      return out;
    count = *got;
    out.requests.insert(out.requests.end(), some.begin(),
                        some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  out.counts = reader->counts();
  out.failed = false;
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  auto strict = read_all(bytes, false, 1);
  auto again = read_all(bytes, false, 64);
  FORESHIFT_ENSURE(strict.failed == again.failed);
  auto rest = read_all(bytes, true, 64);
  if (!strict.failed) {
    auto common = std::min(strict.requests.size(), again.requests.size());
    FORESHIFT_ENSURE(std::equal(strict.requests.begin(),
                                strict.requests.begin() + static_cast<std::ptrdiff_t>(common),
                                again.requests.begin()));
    FORESHIFT_ENSURE(!rest.failed && rest.counts.skipped == 0);
  }
  std::int64_t last_us = rest.requests.empty() ? 0 : rest.requests.front().at_us;
  for (auto& x : rest.requests) {
    FORESHIFT_ENSURE(x.bytes > 0 && x.at_us >= last_us);
    FORESHIFT_ENSURE(x.offset <= (std::uint64_t{1} << 63) - x.bytes);
    last_us = x.at_us;
  }
  return 0;
}
