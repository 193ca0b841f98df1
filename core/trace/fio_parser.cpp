// SPDX-License-Identifier: Apache-2.0
#include "core/trace/field_cursor.hpp"
#include "core/trace/request_parser.hpp"

#include <algorithm>

namespace foreshift {

namespace {

enum class fio_action { read, write, trim, wait, other, unknown };

fio_action action_of(std::string_view name) {
  if (name == "read")
    return fio_action::read;
  if (name == "write")
    return fio_action::write;
  if (name == "trim")
    return fio_action::trim;
  if (name == "wait")
    return fio_action::wait;
  for (auto known : {"add", "open", "close", "sync", "datasync", "sync_file_range"})
    if (name == known)
      return fio_action::other;
  return fio_action::unknown;
}

/// Version 3 has a time in microseconds on every line; version 2 has none but may tell, in `wait`
/// lines, the microseconds that passed.
class fio_parser final : public request_parser {
public:
  line_kind parse(std::string_view line, parsed_line& out) override {
    if (line.empty())
      return line_kind::nothing;
    if (line.starts_with("fio version ") && line.ends_with(" iolog"))
      return header(line.substr(12), out);
    if (version_ == 0)
      return out.column = 1, out.why = "no 'fio version N iolog' before it", line_kind::bad;
    field_cursor in(line, ' ');
    if (version_ == 3) {
      auto at_us = in.number();
      if (at_us > time_us_max)
        in.fail("a time beyond 62 bits");
      out.request.at_us = static_cast<std::int64_t>(at_us);
    }
    out.volume = in.text();
    auto action = action_of(in.text());
    auto kind = line_kind::nothing;
    if (action == fio_action::unknown)
      in.fail("no action of an iolog");
    else if (action == fio_action::wait)
      wait(in);
    else if (action != fio_action::other)
      kind = request(in, action, out.request);
    if (version_ == 2)
      out.request.at_us = static_cast<std::int64_t>(now_us_);
    if (!in.failed())
      return kind;
    out.column = in.column();
    out.why = in.why();
    return line_kind::bad;
  }

  bool timed() const override { return version_ == 3 || now_us_ > 0; }

private:
  static constexpr std::uint64_t time_us_max = ~std::uint64_t{0} / 4;

  line_kind header(std::string_view rest, parsed_line& out) {
    if (rest == "2 iolog" || rest == "3 iolog") {
      version_ = rest[0] - '0';
      return line_kind::nothing;
    }
    out.column = 13;
    out.why = "an iolog version other than 2 and 3";
    return line_kind::bad;
  }

  void wait(field_cursor& in) {
    auto passed_us = in.number();
    if (version_ != 2)
      in.fail("'wait' in version 3");
    if (!in.at_end())
      in.number(); // fio's own parser lets a length follow
    in.end();
    if (!in.failed())
      now_us_ = std::min(now_us_ + std::min(passed_us, time_us_max), time_us_max);
  }

  static line_kind request(field_cursor& in, fio_action action, trace_request& out) {
    out.offset = in.number();
    auto bytes = in.number();
    if (bytes == 0)
      in.fail("the size is zero");
    else if (bytes > 0xffff'ffffu)
      in.fail("a size of 4 GiB or more");
    in.end();
    out.bytes = static_cast<std::uint32_t>(bytes);
    out.op = action == fio_action::read    ? access_op::read
             : action == fio_action::write ? access_op::write
                                           : access_op::zero;
    return line_kind::request;
  }

  int version_ = 0;
  std::uint64_t now_us_ = 0;
};

} // namespace

std::unique_ptr<request_parser> make_fio_parser() {
  return std::make_unique<fio_parser>();
}

} // namespace foreshift
