// SPDX-License-Identifier: Apache-2.0
#include "core/trace/line_feed.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace foreshift {

namespace {

constexpr std::size_t buffer_bytes = 256u << 10;
constexpr std::size_t head_bytes = 64u << 10;

} // namespace

line_feed::line_feed(std::unique_ptr<byte_source> from)
    : from_(std::move(from)), buffer_(buffer_bytes) {}

/// Reads more behind what is there; false when nothing came.
bool line_feed::fill() {
  if (ended_)
    return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size())
    return false;
  auto got = from_->read({buffer_.data() + end_, buffer_.size() - end_});
  if (!got)
    failed_ = got.error();
  ended_ = !got || *got == 0;
  if (got)
    end_ += *got;
  return !ended_;
}

std::string_view line_feed::head() {
  while (end_ - begin_ < head_bytes && fill()) {
  }
  return {buffer_.data() + begin_, std::min(head_bytes, end_ - begin_)};
}

bool line_feed::line(std::string_view& out) {
  if (std::exchange(overlong_, false) && !skip_line())
    return false;
  std::size_t searched = 0;
  for (;;) {
    auto* from = buffer_.data() + begin_;
    auto have = end_ - begin_;
    auto* stop = static_cast<char*>(
        have > searched ? std::memchr(from + searched, '\n', have - searched) : nullptr);
    if (stop == nullptr) {
      searched = have;
      if (have <= line_bytes_max && fill())
        continue;
      if (have == 0 || failed_)
        return false;
    }
    auto length = stop != nullptr ? static_cast<std::size_t>(stop - from) : have;
    out = {buffer_.data() + begin_, std::min(length, line_bytes_max)};
    overlong_ = length > line_bytes_max;
    begin_ += length;
    if (stop != nullptr && !overlong_)
      ++begin_;
    if (out.ends_with('\r'))
      out.remove_suffix(1);
    return true;
  }
}

/// Drops the rest of a line that was too long; false at the end.
bool line_feed::skip_line() {
  for (;;) {
    auto* from = buffer_.data() + begin_;
    auto* stop =
        static_cast<char*>(begin_ < end_ ? std::memchr(from, '\n', end_ - begin_) : nullptr);
    begin_ = stop != nullptr ? static_cast<std::size_t>(stop - buffer_.data()) + 1 : end_;
    if (stop != nullptr || !fill())
      return stop != nullptr;
  }
}

bool line_feed::record(std::size_t bytes, std::string_view& out) {
  overlong_ = false;
  while (end_ - begin_ < bytes && fill()) {
  }
  if (failed_ || begin_ == end_)
    return false;
  out = {buffer_.data() + begin_, std::min(bytes, end_ - begin_)};
  begin_ += out.size();
  return true;
}

} // namespace foreshift
