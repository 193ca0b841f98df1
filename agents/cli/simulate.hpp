// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace foreshift::cli {

class session;

/// As typed; what is not whole is a usage error.
struct simulate_request {
  std::string trace;
  std::string format = "auto";
  std::string volume;
  std::string span = "7d";
  std::string extent = "1MiB";
  std::string budget = "5%";
  std::string window = "60s";
  std::string horizon = "5m";
  std::string train = "60%";
  std::vector<std::string> arms{"all"};
  std::uint64_t seed = 1;
  std::string picks;
  std::string report;
  std::string lstm_weights;
  bool lenient = false;
};

/// Runs the forecast over a recorded trace and prints what it would have covered.
int simulate(session& s, const simulate_request& what);

} // namespace foreshift::cli
