// SPDX-License-Identifier: Apache-2.0
#include "core/volume/roaring_codec.hpp"

#include <bit>
#include <exception>
#include <optional>
#include <string>

namespace foreshift {

namespace {

// https://github.com/RoaringBitmap/RoaringFormatSpec
constexpr std::uint32_t cookie_plain = 12346;
constexpr std::uint32_t cookie_runs = 12347;
constexpr std::uint32_t containers_max = 1u << 16;
constexpr std::uint32_t array_cardinality_max = 4096;
constexpr std::uint32_t offsets_from = 4; ///< With runs, fewer containers carry no offsets.
constexpr std::size_t bitset_bytes = 8192;

/// Walks the bytes as the format describes them. The library's own safe reader bounds its reads but
/// trusts order and cardinalities, and later operations overrun when those lie.
class format_checker {
public:
  explicit format_checker(std::span<const unsigned char> bytes) : bytes_(bytes) {}

  /// Why the bytes are no bitmap, or null; `largest()` is valid afterwards.
  const char* check() {
    if (const auto* why = read_header())
      return why;
    for (std::uint32_t i = 0; i < count_; ++i)
      if (const auto* why = check_container(i))
        return why;
    return at_ == bytes_.size() ? nullptr : "bytes left over";
  }

  std::optional<std::uint32_t> largest() const { return largest_; }

private:
  bool has(std::size_t n) const { return bytes_.size() - at_ >= n; }

  std::uint16_t u16(std::size_t at) const {
    return static_cast<std::uint16_t>(bytes_[at] | bytes_[at + 1] << 8);
  }
  std::uint32_t u32(std::size_t at) const {
    return u16(at) | static_cast<std::uint32_t>(u16(at + 2)) << 16;
  }

  const char* read_header() {
    if (!has(4))
      return "shorter than its header";
    auto cookie = u32(0);
    at_ = 4;
    bool runs = (cookie & 0xffff) == cookie_runs;
    if (runs) {
      count_ = (cookie >> 16) + 1;
      flags_at_ = at_;
      if (!has((count_ + 7) / 8))
        return "shorter than its header";
      at_ += (count_ + 7) / 8;
      has_flags_ = true;
    } else {
      if (cookie != cookie_plain || !has(4))
        return "not a bitmap";
      count_ = u32(at_);
      at_ += 4;
      if (count_ > containers_max)
        return "too many containers";
    }
    keys_at_ = at_;
    has_offsets_ = !runs || count_ >= offsets_from;
    auto header = std::size_t{count_} * (has_offsets_ ? 8 : 4);
    if (!has(header))
      return "shorter than its header";
    at_ += header;
    return nullptr;
  }

  const char* check_container(std::uint32_t i) {
    auto key = u16(keys_at_ + 4 * i);
    auto cardinality = u16(keys_at_ + 4 * i + 2) + 1u;
    if (i > 0 && key <= u16(keys_at_ + 4 * (i - 1)))
      return "containers out of order";
    if (has_offsets_ && u32(keys_at_ + 4 * std::size_t{count_} + 4 * i) != at_)
      return "container offset is wrong";
    low_ = -1;
    bool run = has_flags_ && (bytes_[flags_at_ + i / 8] >> (i % 8) & 1) != 0;
    const auto* why = run                                   ? check_runs(cardinality)
                      : cardinality > array_cardinality_max ? check_bitset(cardinality)
                                                            : check_array(cardinality);
    if (why == nullptr)
      largest_ = static_cast<std::uint32_t>(key) << 16 | static_cast<std::uint32_t>(low_);
    return why;
  }

  const char* check_runs(std::uint32_t cardinality) {
    if (!has(2))
      return "truncated";
    auto runs = u16(at_);
    at_ += 2;
    if (!has(std::size_t{runs} * 4))
      return "truncated";
    std::uint32_t total = 0;
    for (std::uint32_t i = 0; i < runs; ++i, at_ += 4) {
      std::int32_t first = u16(at_);
      std::int32_t last = first + u16(at_ + 2);
      if ((i > 0 && first <= low_ + 1) || last > 0xffff)
        return "runs out of order";
      low_ = last;
      total += static_cast<std::uint32_t>(last - first) + 1;
    }
    return total == cardinality ? nullptr : "cardinality is wrong";
  }

  const char* check_array(std::uint32_t cardinality) {
    if (!has(std::size_t{cardinality} * 2))
      return "truncated";
    for (std::uint32_t i = 0; i < cardinality; ++i, at_ += 2) {
      std::int32_t value = u16(at_);
      if (value <= low_)
        return "values out of order";
      low_ = value;
    }
    return nullptr;
  }

  const char* check_bitset(std::uint32_t cardinality) {
    if (!has(bitset_bytes))
      return "truncated";
    std::uint32_t total = 0;
    for (std::size_t i = 0; i < bitset_bytes; ++i) {
      auto bits = bytes_[at_ + i];
      total += static_cast<std::uint32_t>(std::popcount(bits));
      if (bits != 0)
        low_ = static_cast<std::int32_t>(8 * i) + std::bit_width(bits) - 1;
    }
    at_ += bitset_bytes;
    return total == cardinality ? nullptr : "cardinality is wrong";
  }

  std::span<const unsigned char> bytes_;
  std::size_t at_ = 0;
  std::size_t flags_at_ = 0;
  std::size_t keys_at_ = 0;
  std::uint32_t count_ = 0;
  bool has_flags_ = false;
  bool has_offsets_ = false;
  std::int32_t low_ = -1; ///< Largest value so far in the current container.
  std::optional<std::uint32_t> largest_;
};

} // namespace

std::vector<unsigned char> encode_roaring(const roaring::Roaring& set) {
  // Containers keep the form their history left them in; runOptimize makes it one form a set.
  roaring::Roaring tight = set;
  tight.runOptimize();
  std::vector<unsigned char> out(tight.getSizeInBytes());
  tight.write(reinterpret_cast<char*>(out.data()));
  return out;
}

result<roaring::Roaring> decode_roaring(std::span<const unsigned char> bytes,
                                        std::uint32_t value_max, std::size_t bytes_max) {
  if (bytes.size() > bytes_max)
    return fault{errc::too_large, "bitmap of " + std::to_string(bytes.size()) + " bytes; at most "
                                      + std::to_string(bytes_max) + " are allowed"};
  if (bytes.empty())
    return roaring::Roaring{};
  format_checker checker{bytes};
  if (const auto* why = checker.check())
    return fault{errc::malformed, std::string{"bitmap does not decode: "} + why};
  if (checker.largest() > value_max)
    return fault{errc::malformed, "bitmap names " + std::to_string(*checker.largest())
                                      + "; the largest allowed is " + std::to_string(value_max)};
  try {
    return roaring::Roaring::readSafe(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } catch (const std::exception& e) {
    return fault{errc::malformed, std::string{"bitmap does not decode: "} + e.what()};
  }
}

} // namespace foreshift
