// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace foreshift {

/// Takes the fields of a line one after another. The first thing that is wrong stays; after it all
/// fields are empty. With ' ' as separator, fields are separated by any blanks, and blanks in front
/// are skipped.
class field_cursor {
public:
  field_cursor(std::string_view line, char separator)
      : begin_(line.data()), at_(begin_), end_(begin_ + line.size()), field_(begin_),
        separator_(separator) {}

  /// A text that is not empty.
  std::string_view text() {
    if (!start())
      return {};
    while (at_ != end_ && !ends_field(*at_))
      ++at_;
    std::string_view out{field_, static_cast<std::size_t>(at_ - field_)};
    if (out.empty())
      fail("a field is empty");
    leave();
    return out;
  }

  /// A whole number, without sign, in base 10 or 16.
  std::uint64_t number(int base = 10) {
    std::uint64_t out = 0;
    if (!start())
      return 0;
    take(out, base);
    stop();
    return out;
  }

  /// Seconds with at most 18 decimals, as microseconds.
  std::uint64_t seconds_us() {
    constexpr std::uint64_t million = 1'000'000;
    constexpr std::uint64_t seconds_max = ~std::uint64_t{0} / 4 / million;
    std::uint64_t whole = 0, part_us = 0;
    if (!start())
      return 0;
    take(whole, 10);
    if (whole > seconds_max)
      fail("a time beyond 64 bits");
    if (why_ == nullptr && at_ != end_ && *at_ == '.') {
      std::uint64_t weight = million / 10;
      for (++at_; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_, weight /= 10)
        part_us += weight * static_cast<std::uint64_t>(*at_ - '0');
    }
    stop();
    return whole * million + part_us;
  }

  /// A number of blocks as bytes.
  std::uint64_t blocks(std::uint64_t block_bytes = 512) {
    auto out = number();
    if (why_ == nullptr && out > (~std::uint64_t{0} >> 1) / block_bytes)
      fail("a block beyond 63 bits of bytes");
    return why_ == nullptr ? out * block_bytes : 0;
  }

  bool at_end() const { return why_ != nullptr || over_; }

  /// The first character of the next field, or 0.
  char next() const { return at_end() || at_ == end_ ? '\0' : *at_; }

  /// Nothing may follow.
  void end() {
    if (why_ == nullptr && !over_) {
      field_ = at_;
      fail("something behind the last field");
    }
  }

  /// The last field is not what it should be.
  void fail(const char* why) {
    if (why_ != nullptr)
      return;
    why_ = why;
    column_ = static_cast<std::size_t>(field_ - begin_) + 1;
  }

  bool failed() const { return why_ != nullptr; }
  const char* why() const { return why_; }
  std::size_t column() const { return column_; }

private:
  bool ends_field(char c) const { return c == separator_ || (separator_ == ' ' && c == '\t'); }

  void skip_blanks() {
    if (separator_ == ' ')
      while (at_ != end_ && ends_field(*at_))
        ++at_;
  }

  bool start() {
    if (why_ != nullptr)
      return false;
    if (first_)
      skip_blanks();
    first_ = false;
    field_ = at_;
    if (over_ || (separator_ == ' ' && at_ == end_)) {
      fail("a field is missing");
      return false;
    }
    return true;
  }

  void take(std::uint64_t& out, int base) {
    auto [behind, code] = std::from_chars(at_, end_, out, base);
    if (code == std::errc::result_out_of_range)
      fail("a number beyond 64 bits");
    else if (code != std::errc{})
      fail("no number");
    at_ = behind;
  }

  /// The number must be the whole field.
  void stop() {
    if (why_ == nullptr && at_ != end_ && !ends_field(*at_))
      fail("no number");
    leave();
  }

  void leave() {
    if (at_ == end_) {
      over_ = true;
      return;
    }
    ++at_;
    skip_blanks();
    over_ = separator_ == ' ' && at_ == end_;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* field_;
  char separator_;
  bool first_ = true;
  bool over_ = false;
  const char* why_ = nullptr;
  std::size_t column_ = 0;
};

} // namespace foreshift
