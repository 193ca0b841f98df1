// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/coordinator/options.hpp"
#include "core/base/result.hpp"

#include <string>

namespace foreshift {

/// The coordinator's settings, as its TOML file names them.
struct coordinator_options {
  std::string data;
  std::string listen = "127.0.0.1:7400";
  std::string http_listen; ///< Empty: no HTTP.
  std::string certificate, key, ca;
  std::string log_level = "info";
  control::policy rules;
};

/// Reads and checks a file. Errors name the file, the line or key, and what would be right.
result<coordinator_options> read_coordinator_options(const std::string& path);

/// A commented file with every key.
std::string coordinator_options_example();

} // namespace foreshift
