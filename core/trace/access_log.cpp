// SPDX-License-Identifier: Apache-2.0
#include "core/trace/access_log.hpp"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

namespace foreshift {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr int compression_level = 3;
constexpr std::uint8_t version = 1;

struct raw_header {
  char magic[4];
  std::uint8_t version;
  std::uint8_t shift; ///< Low bits that are zero in all offsets and lengths.
  std::uint8_t width; ///< Bytes of a shifted offset.
  std::uint8_t time_width;
  std::uint32_t records;
  std::uint32_t unpacked_bytes;
  std::int64_t first_us;
  std::int64_t last_us;
};
static_assert(sizeof(raw_header) == 32);

constexpr std::uint64_t varint_bytes_max = 5 + 5 + 1; ///< VCI, length, op.

fault broken_segment(const char* why) {
  return {errc::malformed, std::string{"access log segment: "} + why};
}

constexpr std::uint64_t zigzag(std::uint64_t step) {
  return (step << 1) ^ (0 - (step >> 63));
}

constexpr std::uint64_t unzigzag(std::uint64_t coded) {
  return (coded >> 1) ^ (0 - (coded & 1));
}

std::uint8_t bytes_for(std::uint64_t value) {
  return static_cast<std::uint8_t>((std::bit_width(value) + 7) / 8);
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

/// Reads columns; after a failure everything is 0 and `ok` is false.
class column_reader {
public:
  explicit column_reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      auto byte = this->byte();
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) {
        ok_ = ok_ && (shift < 63 || byte < 2);
        return value;
      }
    }
    ok_ = false;
    return 0;
  }

  std::uint8_t byte() {
    if (bytes_.empty()) {
      ok_ = false;
      return 0;
    }
    auto out = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return out;
  }

  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }

private:
  std::string_view bytes_;
  bool ok_ = true;
};

raw_header header_for(std::span<const access_record> records) {
  raw_header head{{'F', 'S', 'A', 'L'}, version, 0, 0, 0, 0, 0, 0, 0};
  head.records = static_cast<std::uint32_t>(records.size());
  if (records.empty())
    return head;
  std::uint64_t bits = 0, reach = 0, steps = 0;
  auto before_us = static_cast<std::uint64_t>(records.front().at_us);
  head.first_us = head.last_us = records.front().at_us;
  for (auto& record : records) {
    bits |= record.offset | record.bytes;
    reach |= record.offset;
    auto now_us = static_cast<std::uint64_t>(record.at_us);
    steps |= zigzag(now_us - std::exchange(before_us, now_us));
    head.first_us = std::min(head.first_us, record.at_us);
    head.last_us = std::max(head.last_us, record.at_us);
  }
  head.shift = static_cast<std::uint8_t>(bits == 0 ? 0 : std::countr_zero(bits));
  head.width = bytes_for(reach >> head.shift);
  // The first step starts at the earliest time, not at the first record's.
  auto start = static_cast<std::uint64_t>(records.front().at_us);
  head.time_width = bytes_for(steps | zigzag(start - static_cast<std::uint64_t>(head.first_us)));
  return head;
}

/// The columns one after another, and where each ends.
struct columns {
  std::string bytes;
  std::vector<std::size_t> ends;

  void end() { ends.push_back(bytes.size()); }
};

template <class Value>
void put_planes(columns& out, std::size_t count, unsigned width, Value value) {
  std::vector<std::uint64_t> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = value(i);
  for (unsigned plane = 0; plane < width; ++plane) {
    for (auto each : values)
      out.bytes.push_back(static_cast<char>(each >> (8 * plane)));
    out.end();
  }
}

columns columns_of(std::span<const access_record> records, const raw_header& head) {
  columns out;
  out.bytes.reserve(records.size() * (head.width + head.time_width + 4u));
  auto before_us = static_cast<std::uint64_t>(head.first_us);
  put_planes(out, records.size(), head.time_width, [&](std::size_t i) {
    auto now_us = static_cast<std::uint64_t>(records[i].at_us);
    return zigzag(now_us - std::exchange(before_us, now_us));
  });
  std::uint64_t vci = 0;
  for (auto& record : records)
    put_varint(out.bytes, zigzag(record.vci - std::exchange(vci, record.vci)));
  out.end();
  for (auto& record : records)
    put_varint(out.bytes, record.bytes >> head.shift);
  out.end();
  for (auto& record : records)
    out.bytes.push_back(
        static_cast<char>(static_cast<unsigned>(record.op) | (record.local ? 4u : 0u)));
  out.end();
  put_planes(out, records.size(), head.width,
             [&](std::size_t i) { return records[i].offset >> head.shift; });
  return out;
}

/// One frame with a block, and so an entropy table, of its own for every column.
result<std::string> pack(const columns& in) {
  std::string out(ZSTD_compressBound(in.bytes.size()) + 32 * in.ends.size() + 64, '\0');
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, compression_level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setPledgedSrcSize(context.get(), in.bytes.size());
  ZSTD_inBuffer from{in.bytes.data(), 0, 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  for (auto end : in.ends) {
    from.size = end;
    auto mode = end == in.bytes.size() ? ZSTD_e_end : ZSTD_e_flush;
    auto left = ZSTD_compressStream2(context.get(), &to, &from, mode);
    if (ZSTD_isError(left) || left != 0)
      return fault{errc::failed, std::string{"zstd: "} + ZSTD_getErrorName(left)};
    if (mode == ZSTD_e_end)
      break;
  }
  out.resize(to.pos);
  return out;
}

result<raw_header> checked_header(std::string_view bytes) {
  raw_header head;
  if (bytes.size() < sizeof head)
    return broken_segment("cut off in the header");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (std::memcmp(head.magic, "FSAL", 4) != 0)
    return broken_segment("not a segment");
  if (head.version != version)
    return fault{errc::malformed,
                 "access log segment: version " + std::to_string(head.version) + " is not known"};
  auto planes = std::uint64_t{head.width} + head.time_width;
  if (head.shift > 63 || head.width > 8 || head.time_width > 8 || head.first_us > head.last_us
      || head.records > access_segment_records_max
      || head.unpacked_bytes > head.records * (planes + varint_bytes_max)
      || head.unpacked_bytes < head.records * (planes + 3))
    return broken_segment("impossible header");
  return head;
}

result<std::string> unpack(std::string_view bytes, const raw_header& head) {
  auto frame = bytes.substr(sizeof head);
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != head.unpacked_bytes)
    return broken_segment("size does not match");
  std::string columns(head.unpacked_bytes, '\0');
  auto got = ZSTD_decompress(columns.data(), columns.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) || got != columns.size())
    return broken_segment("damaged or cut off");
  return columns;
}

std::vector<std::uint64_t> read_planes(column_reader& in, std::size_t count, unsigned width) {
  std::vector<std::uint64_t> out(count);
  for (unsigned plane = 0; plane < width; ++plane)
    for (auto& value : out)
      value |= std::uint64_t{in.byte()} << (8 * plane);
  return out;
}

/// Fills times; false when the header does not tell their range.
bool read_times(column_reader& in, const raw_header& head, std::vector<access_record>& out) {
  auto steps = read_planes(in, out.size(), head.time_width);
  auto at_us = static_cast<std::uint64_t>(head.first_us);
  auto first_us = head.last_us, last_us = head.first_us;
  for (std::size_t i = 0; i < out.size(); ++i) {
    at_us += unzigzag(steps[i]);
    out[i].at_us = static_cast<std::int64_t>(at_us);
    first_us = std::min(first_us, out[i].at_us);
    last_us = std::max(last_us, out[i].at_us);
  }
  return out.empty() || (first_us == head.first_us && last_us == head.last_us);
}

/// Fills offsets; false when a request does not end within 63 bits.
bool read_offsets(column_reader& in, const raw_header& head, std::vector<access_record>& out) {
  auto offsets = read_planes(in, out.size(), head.width);
  auto fits = true;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i].offset = offsets[i];
  for (auto& record : out) {
    fits = fits && record.offset <= (~std::uint64_t{0} >> 1 >> head.shift);
    record.offset <<= head.shift;
    fits = fits && record.offset + record.bytes <= (~std::uint64_t{0} >> 1);
  }
  return fits;
}

} // namespace

access to_access(const access_record& record) {
  return {record.at_us / 1000, record.offset, record.bytes, record.op != access_op::read};
}

result<std::string> encode_access_segment(std::span<const access_record> records) {
  if (records.size() > access_segment_records_max)
    return fault{errc::too_large, "more than 1048576 access records in one segment"};
  constexpr auto end_max = ~std::uint64_t{0} >> 1;
  for (auto& record : records)
    if (record.offset > end_max - record.bytes || record.op > access_op::zero)
      return fault{errc::invalid, "access record reaches beyond 2^63 bytes or has no known op"};
  auto head = header_for(records);
  auto in = columns_of(records, head);
  head.unpacked_bytes = static_cast<std::uint32_t>(in.bytes.size());
  auto packed = pack(in);
  if (!packed)
    return packed.error();
  std::string out(sizeof head, '\0');
  std::memcpy(out.data(), &head, sizeof head);
  return out + *packed;
}

result<std::vector<access_record>> decode_access_segment(std::string_view bytes) {
  auto head = checked_header(bytes);
  if (!head)
    return head.error();
  auto unpacked = unpack(bytes, *head);
  if (!unpacked)
    return unpacked.error();

  std::vector<access_record> out(head->records);
  column_reader in(*unpacked);
  auto fits = read_times(in, *head, out);
  std::uint64_t vci = 0;
  for (auto& record : out) {
    vci += unzigzag(in.varint());
    record.vci = static_cast<std::uint32_t>(vci);
    fits = fits && vci == record.vci;
  }
  for (auto& record : out) {
    auto length = in.varint();
    fits = fits && length <= (0xffff'ffffull >> std::min<unsigned>(head->shift, 32));
    record.bytes = static_cast<std::uint32_t>(length << head->shift);
  }
  for (auto& record : out) {
    auto byte = in.byte();
    fits = fits && byte < 8 && (byte & 3) <= 2;
    record.op = static_cast<access_op>(byte & 3);
    record.local = (byte & 4) != 0;
  }
  fits = read_offsets(in, *head, out) && fits;
  if (!in.ok() || !in.at_end() || !fits)
    return broken_segment("columns do not match the header");
  return out;
}

result<access_segment_header> read_access_segment_header(std::string_view bytes) {
  auto head = checked_header(bytes);
  if (!head)
    return head.error();
  return access_segment_header{head->records, head->first_us, head->last_us};
}

} // namespace foreshift
