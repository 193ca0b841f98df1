// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>

namespace foreshift::door {

/// What a person wants to know of a certificate. Times are milliseconds since the Unix epoch.
struct certificate_info {
  std::string common_name;
  std::int64_t begins_ms = 0;
  std::int64_t ends_ms = 0;
};

/// The first certificate in a PEM file; `invalid` when there is none. Any thread.
result<certificate_info> read_certificate(const std::string& path);

} // namespace foreshift::door
