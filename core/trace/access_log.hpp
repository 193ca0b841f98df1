// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/trace/access.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// As AccessOp in schemas/access.capnp.
enum class access_op : std::uint8_t { read = 0, write = 1, zero = 2 };

/// One client request in a volume's access log.
struct access_record {
  std::int64_t at_us = 0; ///< Wall clock, microseconds since the Unix epoch.
  std::uint32_t vci = 0;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  access_op op = access_op::read;
  bool local = false; ///< Served by the logging host alone.

  friend bool operator==(const access_record&, const access_record&) = default;
};

/// The record as forecasts see it; TRIM and WRITE ZEROES are writes.
access to_access(const access_record& record);

/// What a segment says about itself without being unpacked.
struct access_segment_header {
  std::uint32_t records = 0;
  std::int64_t first_us = 0; ///< Earliest and latest time in it; both 0 when empty.
  std::int64_t last_us = 0;
};

inline constexpr std::size_t access_segment_records_max = 1u << 20;

/// Packs records, in their order, into one compressed segment. `too_large` above
/// `access_segment_records_max`; `invalid` when a request reaches beyond 2^63 bytes.
///
/// Layout, little-endian: "FSAL", u8 version, u8 shift, u8 width, u8 time width, u32 records, u32
/// unpacked bytes, i64 first_us, i64 last_us, then one zstd frame with checksum over five columns:
/// times (zigzag of the step from the record before, the first from first_us), VCIs (zigzag varint
/// of the step), lengths >> shift (varint), one byte of op and local each, offsets >> shift. Times
/// and offsets are stored as planes of one byte per record, lowest first.
result<std::string> encode_access_segment(std::span<const access_record> records);

/// `malformed` when the bytes are no segment, of a later version, cut off or damaged. Takes memory
/// only in proportion to what a valid segment of that many records needs.
result<std::vector<access_record>> decode_access_segment(std::string_view bytes);

/// The header alone, for retention and for finding segments by time; checks only the header.
result<access_segment_header> read_access_segment_header(std::string_view bytes);

} // namespace foreshift
