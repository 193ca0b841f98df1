// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/extent_records.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace foreshift {

/// Keys and values of `extent_records`. A key is 'v', the volume (8 bytes, big-endian, so that a
/// volume's records lie together), then 'l' layout, 'f' fence, 'x' a failure (text), 'b' the start
/// of the machine in which the volume was changed last (text), or 'e' and the extent (4 bytes,
/// big-endian), or 'w' and the version of a watch (8 bytes, big-endian), alone or followed by an
/// extent that was changed; records of others are 'k' and their key. A value is a format byte, then
/// fields in little-endian order; decoding fails with `malformed` on anything else.
std::string volume_key(std::uint64_t volume, char kind);
std::string extent_key(std::uint64_t volume, std::uint32_t extent);
std::string watch_key(std::uint64_t volume, std::uint64_t since);
std::string note_key(std::uint64_t volume, std::uint64_t since, std::uint32_t extent);
std::string other_key(std::string_view key);

result<std::uint32_t> decode_extent_key(std::string_view key);

struct watch_note {
  std::uint64_t since = 0;
  std::optional<std::uint32_t> extent; ///< None: the watch itself.
};
result<watch_note> decode_watch_key(std::string_view key);

std::string encode(const extent_record& record);
result<extent_record> decode_record(std::string_view value);

std::string encode(const fence_state& fence);
result<fence_state> decode_fence(std::string_view value);

std::string encode(const volume_layout& layout);
result<volume_layout> decode_layout(std::uint64_t volume, std::string_view value);

} // namespace foreshift
