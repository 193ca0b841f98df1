// SPDX-License-Identifier: Apache-2.0
#include "core/door/frame_guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace foreshift::door {

namespace {

std::uint32_t little_endian_at(const std::byte* at) {
  std::uint32_t out = 0;
  for (int i = 3; i >= 0; --i)
    out = out << 8 | std::to_integer<std::uint32_t>(at[i]);
  return out;
}

} // namespace

result<void> frame_guard::pass(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (broken_)
      return fault{errc::malformed, "the stream was already refused"};
    if (body_left_ > 0) {
      auto skip = std::min<std::uint64_t>(body_left_, bytes.size());
      body_left_ -= skip;
      bytes = bytes.subspan(skip);
      if (body_left_ == 0)
        ++frames_;
      continue;
    }
    auto take = std::min(word_.size() - word_fill_, bytes.size());
    std::memcpy(word_.data() + word_fill_, bytes.data(), take);
    word_fill_ += take;
    bytes = bytes.subspan(take);
    if (word_fill_ == word_.size()) {
      word_fill_ = 0;
      if (auto ok = table_word(); !ok) {
        broken_ = true;
        return ok;
      }
    }
  }
  return {};
}

result<void> frame_guard::table_word() {
  auto low = little_endian_at(word_.data());
  auto high = little_endian_at(word_.data() + 4);
  if (sizes_left_ == 0) {
    // First word: segment count minus one, size of the first segment. The sum cannot wrap.
    if (low >= segments_max_)
      return fault{errc::malformed, fmt::format("a frame claims {} segments, more than {}",
                                                std::uint64_t{low} + 1, segments_max_)};
    sizes_left_ = low;
    frame_bytes_ = std::uint64_t{high} * 8;
  } else {
    frame_bytes_ += std::uint64_t{low} * 8;
    --sizes_left_;
    if (sizes_left_ > 0) { // else the high half is padding
      frame_bytes_ += std::uint64_t{high} * 8;
      --sizes_left_;
    }
  }
  return end_of_table();
}

result<void> frame_guard::end_of_table() {
  if (frame_bytes_ > bytes_max_)
    return fault{errc::too_large,
                 fmt::format("a frame claims {} bytes, more than {}", frame_bytes_, bytes_max_)};
  if (sizes_left_ > 0)
    return {};
  if (frame_bytes_ == 0)
    return fault{errc::malformed, "a frame without content"};
  body_left_ = frame_bytes_;
  return {};
}

} // namespace foreshift::door
