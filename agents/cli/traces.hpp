// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace foreshift::cli {

class session;

struct generate_request {
  std::string kind;
  std::string out = "-";
  std::string span = "4h";
  std::string size = "64GiB";
  std::string file = "volume";
  std::uint64_t seed = 1;
};

struct convert_request {
  std::string trace;
  std::string out = "-";
  std::string format = "auto";
  std::string volume;
  std::string span = "7d";
  std::string file = "volume";
  bool lenient = false;
};

struct export_request {
  std::string volume; ///< Its number; empty when the log has no other.
  std::string data;
  std::int64_t after_s = 0; ///< Of wall clock; what came before is left out.
  std::string out = "-";
  std::string file = "volume";
};

/// All write a fio iolog to a file, or to standard output for "-".
int generate_trace(session& s, const generate_request& what);
int convert_trace(session& s, const convert_request& what);
/// The access log that an agent keeps, also while it runs.
int export_trace(session& s, const export_request& what);

} // namespace foreshift::cli
