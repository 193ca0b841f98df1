// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace foreshift {

/// Formats of recorded block traces; docs/forecast.md says where each comes from.
enum class trace_format : std::uint8_t {
  automatic,
  msr,          ///< Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime
  alibaba,      ///< device_id,opcode,offset,length,timestamp
  tencent,      ///< Timestamp,Offset,Size,IOType,VolumeID
  cloudphysics, ///< version,time,op,size,lbn
  fio,          ///< fio iolog, versions 2 and 3
  blkparse,     ///< blkparse's default text
  vscsi1,       ///< VMware's vscsiStats records, 32 bytes
  vscsi2,       ///< The same, 40 bytes
  arc,          ///< start_block n_blocks ignore request
};

std::string_view to_string(trace_format format);

/// `invalid`, with the names there are, for anything else.
result<trace_format> parse_trace_format(std::string_view name);

/// All names, comma-separated.
std::string trace_format_names();

/// The format whose parser understands most of the lines that the trace begins with, and
/// `automatic` when none understands any.
trace_format detect_trace_format(std::string_view head);

} // namespace foreshift
