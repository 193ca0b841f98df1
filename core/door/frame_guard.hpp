// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace foreshift::door {

/// Follows Cap'n Proto's stream framing (segment count, segment sizes, words) byte by byte, in
/// whatever pieces it arrives, and refuses a frame by its header, before anyone allocates for it.
/// Pure; one thread.
class frame_guard {
public:
  /// A frame may hold `bytes_max` bytes in at most `segments_max` segments.
  explicit frame_guard(std::size_t bytes_max, std::uint32_t segments_max = 64)
      : bytes_max_(bytes_max), segments_max_(segments_max) {}

  /// Looks at the next bytes of the stream. After a fault the stream is lost: every later call
  /// fails too.
  result<void> pass(std::span<const std::byte> bytes);

  /// Frames seen to their last byte.
  std::uint64_t frames() const { return frames_; }

private:
  result<void> table_word();
  result<void> end_of_table();

  std::size_t bytes_max_;
  std::uint32_t segments_max_;
  std::array<std::byte, 8> word_{};
  std::size_t word_fill_ = 0;
  std::uint32_t sizes_left_ = 0; ///< Segment sizes still to come; 0 with no body left: a new frame.
  std::uint64_t frame_bytes_ = 0; ///< Sum of the sizes so far.
  std::uint64_t body_left_ = 0;
  std::uint64_t frames_ = 0;
  bool broken_ = false;
};

} // namespace foreshift::door
