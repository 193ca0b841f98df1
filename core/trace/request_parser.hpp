// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/trace_format.hpp"
#include "core/trace/trace_request.hpp"

#include <memory>
#include <string_view>

namespace foreshift {

enum class line_kind {
  request,
  nothing, ///< A header, an empty line, or an event that is no request for data.
  bad,
};

/// What one line says.
struct parsed_line {
  trace_request request;
  std::string_view volume; ///< As the line names it; empty when the format names none.
  std::size_t column = 0;  ///< Of what is bad, from 1.
  const char* why = "";    ///< Bad.
};

/// Reads the lines (or records) of one format. One thread.
class request_parser {
public:
  virtual ~request_parser() = default;

  virtual line_kind parse(std::string_view line, parsed_line& out) = 0;

  /// Size of a record in a binary format; 0: lines.
  virtual std::size_t record_bytes() const { return 0; }

  /// Whether what was read so far has times.
  virtual bool timed() const { return true; }
};

/// For one of the formats, not `automatic`. `head` is how the trace begins.
std::unique_ptr<request_parser> make_parser(trace_format format, std::string_view head);

std::unique_ptr<request_parser> make_msr_parser();
std::unique_ptr<request_parser> make_alibaba_parser();
std::unique_ptr<request_parser> make_tencent_parser();
std::unique_ptr<request_parser> make_cloudphysics_parser();
std::unique_ptr<request_parser> make_arc_parser();
std::unique_ptr<request_parser> make_fio_parser();
std::unique_ptr<request_parser> make_blkparse_parser(std::string_view head);
std::unique_ptr<request_parser> make_vscsi_parser(unsigned version);

/// What a SCSI command does, by its operation code: `nothing` for those that move no data.
line_kind scsi_command(std::uint64_t code, access_op& out);

} // namespace foreshift
