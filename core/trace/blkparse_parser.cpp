// SPDX-License-Identifier: Apache-2.0
#include "core/trace/field_cursor.hpp"
#include "core/trace/request_parser.hpp"

#include <algorithm>
#include <cctype>

namespace foreshift {

namespace {

/// "8,0 3 11 0.009507758 697 Q W 223490 + 8 [kjournald]". Every request passes several actions; one
/// of them is taken for the request: queued, else issued, else completed, by what the trace has.
class blkparse_parser final : public request_parser {
public:
  explicit blkparse_parser(std::string_view head) {
    for (char action : {'Q', 'D', 'C'})
      if (has(head, action)) {
        action_ = action;
        break;
      }
  }

  line_kind parse(std::string_view line, parsed_line& out) override {
    if (is_summary(line))
      return line_kind::nothing;
    field_cursor in(line, ' ');
    out.volume = in.text();
    check_device(in, out.volume);
    in.number(); // CPU
    in.number(); // sequence
    out.request.at_us = static_cast<std::int64_t>(in.seconds_us());
    in.number(); // process
    auto action = in.text();
    if (!in.failed()
        && (action.size() > 2 || std::isupper(static_cast<unsigned char>(action[0])) == 0)
        && action != "m")
      in.fail("no action of blkparse");
    auto kind = line_kind::nothing;
    if (!in.failed() && action.size() == 1 && action[0] == action_)
      kind = request(in, out.request);
    if (!in.failed())
      return kind;
    out.column = in.column();
    out.why = in.why();
    return line_kind::bad;
  }

private:
  static bool has(std::string_view head, char action) {
    while (!head.empty()) {
      auto end = std::min(head.find('\n'), head.size());
      field_cursor in(head.substr(0, end), ' ');
      for (int i = 0; i < 5; ++i)
        in.text();
      if (auto found = in.text(); found.size() == 1 && found[0] == action)
        return true;
      head.remove_prefix(std::min(head.size(), end + 1));
    }
    return false;
  }

  static void check_device(field_cursor& in, std::string_view device) {
    auto comma = device.find(',');
    auto digits = std::all_of(device.begin(), device.end(), [](char c) {
      return c == ',' || std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    if (comma == device.npos || !digits)
      in.fail("no device (major,minor)");
  }

  /// What blkparse prints at its end: "CPU0 (sda):", " Reads Queued: ...", "Total (sda):".
  static bool is_summary(std::string_view line) {
    auto first = line.find_first_not_of(" \t");
    if (first == line.npos)
      return true;
    line.remove_prefix(first);
    for (auto known :
         {"CPU", "Total (", "Reads ", "Writes ", "Read ", "Write ", "Read:", "IO ", "PC ",
          "Throughput ", "Events (", "Skips:", "Timer ", "Queued ", "Input file "})
      if (line.starts_with(known))
        return true;
    return false;
  }

  static line_kind request(field_cursor& in, trace_request& out) {
    auto flags = in.text();
    auto has = [&](char c) { return flags.find(c) != flags.npos; };
    if (in.at_end() || (!has('R') && !has('W') && !has('D')))
      return line_kind::nothing; // a flush, or a request for no data
    if (in.next() == '[')
      return line_kind::nothing; // a flush: no place, only the process
    out.offset = in.blocks();
    if (in.text() != "+")
      in.fail("no '+' before the size");
    auto bytes = in.blocks();
    if (bytes == 0)
      return line_kind::nothing; // a flush that carries no data
    if (bytes > 0xffff'ffffu)
      in.fail("a size of 4 GiB or more");
    out.bytes = static_cast<std::uint32_t>(bytes);
    out.op = has('D') ? access_op::zero : has('W') ? access_op::write : access_op::read;
    return line_kind::request;
  }

  char action_ = 'Q';
};

} // namespace

std::unique_ptr<request_parser> make_blkparse_parser(std::string_view head) {
  return std::make_unique<blkparse_parser>(head);
}

} // namespace foreshift
