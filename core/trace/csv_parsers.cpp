// SPDX-License-Identifier: Apache-2.0
#include "core/trace/field_cursor.hpp"
#include "core/trace/request_parser.hpp"

namespace foreshift {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool begins_with(std::string_view line, std::string_view lower_case) {
  if (line.size() < lower_case.size())
    return false;
  for (std::size_t i = 0; i < lower_case.size(); ++i)
    if (lower(line[i]) != lower_case[i])
      return false;
  return true;
}

/// Sizes that no request has fail here, so that offsets and sizes can be added.
void set_size(field_cursor& in, trace_request& out, std::uint64_t bytes) {
  if (bytes == 0)
    in.fail("the size is zero");
  else if (bytes > 0xffff'ffffu)
    in.fail("a size of 4 GiB or more");
  out.bytes = static_cast<std::uint32_t>(bytes);
}

line_kind finish(const field_cursor& in, parsed_line& out) {
  if (!in.failed())
    return line_kind::request;
  out.column = in.column();
  out.why = in.why();
  return line_kind::bad;
}

class msr_parser final : public request_parser {
public:
  line_kind parse(std::string_view line, parsed_line& out) override {
    if (line.empty() || begins_with(line, "timestamp,hostname"))
      return line_kind::nothing;
    field_cursor in(line, ',');
    constexpr std::uint64_t ticks_per_us = 10; // Windows file time
    out.request.at_us = static_cast<std::int64_t>(in.number() / ticks_per_us);
    auto host = in.text();
    auto disk = in.text();
    auto op = in.text();
    if (begins_with(op, "read"))
      out.request.op = access_op::read;
    else if (begins_with(op, "write"))
      out.request.op = access_op::write;
    else
      in.fail("neither Read nor Write");
    out.request.offset = in.number();
    set_size(in, out.request, in.number());
    if (!in.at_end())
      in.number(); // response time
    in.end();
    if (!in.failed())
      out.volume = {host.data(), static_cast<std::size_t>(disk.data() + disk.size() - host.data())};
    return finish(in, out);
  }
};

class alibaba_parser final : public request_parser {
public:
  line_kind parse(std::string_view line, parsed_line& out) override {
    if (line.empty() || begins_with(line, "device_id,"))
      return line_kind::nothing;
    field_cursor in(line, ',');
    out.volume = in.text();
    auto op = in.text();
    if (op == "R" || op == "r")
      out.request.op = access_op::read;
    else if (op == "W" || op == "w")
      out.request.op = access_op::write;
    else
      in.fail("neither R nor W");
    out.request.offset = in.number();
    set_size(in, out.request, in.number());
    auto at_us = in.number();
    if (at_us > ~std::uint64_t{0} / 4)
      in.fail("a time beyond 62 bits");
    out.request.at_us = static_cast<std::int64_t>(at_us);
    in.end();
    return finish(in, out);
  }
};

class tencent_parser final : public request_parser {
public:
  line_kind parse(std::string_view line, parsed_line& out) override {
    if (line.empty() || begins_with(line, "timestamp,offset"))
      return line_kind::nothing;
    field_cursor in(line, ',');
    out.request.at_us = static_cast<std::int64_t>(in.seconds_us());
    out.request.offset = in.blocks();
    set_size(in, out.request, in.blocks());
    auto op = in.number();
    if (op > 1)
      in.fail("neither 0 (read) nor 1 (write)");
    out.request.op = op == 0 ? access_op::read : access_op::write;
    out.volume = in.text();
    in.end();
    return finish(in, out);
  }
};

class cloudphysics_parser final : public request_parser {
public:
  line_kind parse(std::string_view line, parsed_line& out) override {
    if (line.empty() || begins_with(line, "version,"))
      return line_kind::nothing;
    field_cursor in(line, ',');
    if (auto version = in.number(); version < 1 || version > 2)
      in.fail("a version other than 1 and 2");
    out.request.at_us = static_cast<std::int64_t>(in.seconds_us());
    auto kind = scsi_command(in.number(16), out.request.op);
    if (kind == line_kind::bad)
      in.fail("no SCSI operation code");
    auto bytes = in.number();
    if (kind == line_kind::request)
      set_size(in, out.request, bytes);
    out.request.offset = in.blocks();
    in.end();
    auto ended = finish(in, out);
    return ended == line_kind::bad ? ended : kind;
  }
};

/// One request a line; the third column is to be ignored, the fourth numbers the requests.
class arc_parser final : public request_parser {
public:
  line_kind parse(std::string_view line, parsed_line& out) override {
    if (line.empty())
      return line_kind::nothing;
    field_cursor in(line, ' ');
    out.request.offset = in.blocks();
    set_size(in, out.request, in.blocks());
    in.number();
    in.number();
    in.end();
    out.request.at_us = 0;
    out.request.op = access_op::read;
    return finish(in, out);
  }

  bool timed() const override { return false; }
};

} // namespace

std::unique_ptr<request_parser> make_msr_parser() {
  return std::make_unique<msr_parser>();
}
std::unique_ptr<request_parser> make_alibaba_parser() {
  return std::make_unique<alibaba_parser>();
}
std::unique_ptr<request_parser> make_tencent_parser() {
  return std::make_unique<tencent_parser>();
}
std::unique_ptr<request_parser> make_cloudphysics_parser() {
  return std::make_unique<cloudphysics_parser>();
}
std::unique_ptr<request_parser> make_arc_parser() {
  return std::make_unique<arc_parser>();
}

} // namespace foreshift
