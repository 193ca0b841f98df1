// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/access.hpp"
#include "core/trace/access_log.hpp"

namespace foreshift {

/// One request of a trace.
struct trace_request {
  std::int64_t at_us = 0; ///< Any epoch; a reader's requests never go back in time.
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0; ///< At least 1.
  access_op op = access_op::read;

  friend bool operator==(const trace_request&, const trace_request&) = default;
};

/// As forecasts see it, with time from `start_us`.
inline access to_access(const trace_request& x, std::int64_t start_us) {
  return {(x.at_us - start_us) / 1000, x.offset, x.bytes, x.op != access_op::read};
}

} // namespace foreshift
