// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace foreshift {

/// One client request as the forecast sees it; the unit of traces and access logs.
struct access {
  std::int64_t at_ms = 0; ///< Any epoch, never decreasing within one stream.
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  bool write = false;
};

} // namespace foreshift
