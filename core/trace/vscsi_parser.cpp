// SPDX-License-Identifier: Apache-2.0
#include "core/trace/request_parser.hpp"

#include <bit>
#include <cstring>

namespace foreshift {

namespace {

static_assert(std::endian::native == std::endian::little);

/// Records of VMware's vscsiStats, little-endian, times in microseconds, blocks of 512 bytes:
/// 1: u32 number, u32 bytes, u32 segments, u16 command, u16 version, u64 block, u64 time.
/// 2: u16 command, u16 version, u32 number, u32 bytes, u32 segments, u64 block, u64 time, u64
/// response time. The version is in the upper byte of its field.
class vscsi_parser final : public request_parser {
public:
  explicit vscsi_parser(unsigned version) : version_(version) {}

  std::size_t record_bytes() const override { return version_ == 1 ? 32 : 40; }

  line_kind parse(std::string_view record, parsed_line& out) override {
    auto bad = [&](std::size_t at, const char* why) {
      out.column = at + 1;
      out.why = why;
      return line_kind::bad;
    };
    if (record.size() < record_bytes())
      return bad(record.size(), "the record is cut off");
    const bool first = version_ == 1;
    const std::size_t command_at = first ? 12 : 0, bytes_at = first ? 4 : 8;
    if (get<std::uint16_t>(record, command_at + 2) >> 8 != version_)
      return bad(command_at + 2, "another version than the trace's");
    auto kind = scsi_command(get<std::uint16_t>(record, command_at), out.request.op);
    if (kind == line_kind::bad)
      return bad(command_at, "no SCSI operation code");
    out.request.bytes = get<std::uint32_t>(record, bytes_at);
    if (kind == line_kind::request && out.request.bytes == 0)
      return bad(bytes_at, "the size is zero");
    auto block = get<std::uint64_t>(record, 16);
    auto at_us = get<std::uint64_t>(record, 24);
    if (block > ~std::uint64_t{0} >> 10)
      return bad(16, "a block beyond 63 bits of bytes");
    if (at_us > ~std::uint64_t{0} >> 2)
      return bad(24, "a time beyond 62 bits");
    out.request.offset = block * 512;
    out.request.at_us = static_cast<std::int64_t>(at_us);
    return kind;
  }

private:
  template <class T>
  static T get(std::string_view record, std::size_t at) {
    T out;
    std::memcpy(&out, record.data() + at, sizeof out);
    return out;
  }

  unsigned version_;
};

} // namespace

std::unique_ptr<request_parser> make_vscsi_parser(unsigned version) {
  return std::make_unique<vscsi_parser>(version);
}

line_kind scsi_command(std::uint64_t code, access_op& out) {
  switch (code) {
  case 0x08: // READ of 6, 10, 12, 16 bytes
  case 0x28:
  case 0xa8:
  case 0x88:
    out = access_op::read;
    return line_kind::request;
  case 0x0a: // WRITE
  case 0x2a:
  case 0xaa:
  case 0x8a:
  case 0x2e: // WRITE AND VERIFY
  case 0xae:
  case 0x8e:
    out = access_op::write;
    return line_kind::request;
  case 0x41: // WRITE SAME
  case 0x93:
    out = access_op::zero;
    return line_kind::request;
  default:
    return code <= 0xff ? line_kind::nothing : line_kind::bad;
  }
}

} // namespace foreshift
