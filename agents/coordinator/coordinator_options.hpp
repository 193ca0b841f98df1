// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/coordinator/options.hpp"
#include "core/base/result.hpp"

#include <string>
#include <string_view>

namespace foreshift {

/// The coordinator's settings, as its TOML file names them.
struct coordinator_options {
  std::string data;
  std::string listen = "127.0.0.1:7400";
  std::string http_listen; ///< Empty: no HTTP.
  std::string certificate, key, ca;
  std::string log_level = "info";
  std::string follow = "expected";
  control::policy rules;
};

/// Reads and checks a file. Errors name the file, the line or key, and what would be right.
result<coordinator_options> read_coordinator_options(const std::string& path);

/// The same from text; `name` stands for the file.
result<coordinator_options> parse_coordinator_options(std::string_view toml,
                                                      const std::string& name);

/// A commented file with every key.
std::string coordinator_options_example();

} // namespace foreshift
