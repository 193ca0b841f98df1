// SPDX-License-Identifier: Apache-2.0
#include "core/trace/trace_format.hpp"

#include "core/trace/request_parser.hpp"

#include <array>
#include <utility>

namespace foreshift {

namespace {

using named = std::pair<trace_format, std::string_view>;

/// Where two formats understand as many lines, the earlier one wins.
constexpr std::array<named, 10> formats{{{trace_format::automatic, "auto"},
                                         {trace_format::msr, "msr"},
                                         {trace_format::alibaba, "alibaba"},
                                         {trace_format::cloudphysics, "cloudphysics"},
                                         {trace_format::tencent, "tencent"},
                                         {trace_format::fio, "fio"},
                                         {trace_format::blkparse, "blkparse"},
                                         {trace_format::vscsi1, "vscsi1"},
                                         {trace_format::vscsi2, "vscsi2"},
                                         {trace_format::arc, "arc"}}};

constexpr int pieces_tried = 200;

/// Understood lines less those that make no sense.
int understood(request_parser& parser, std::string_view head, bool& any) {
  int out = 0;
  parsed_line line;
  auto size = parser.record_bytes();
  for (int i = 0; i < pieces_tried && !head.empty(); ++i) {
    auto end = size > 0 ? size : head.find('\n');
    if (end > head.size()) {
      if (i > 0)
        break; // probably cut off by where the head ends
      end = head.size();
    }
    auto text = head.substr(0, end);
    head.remove_prefix(std::min(head.size(), size > 0 ? end : end + 1));
    if (size == 0 && text.ends_with('\r'))
      text.remove_suffix(1);
    auto kind = parser.parse(text, line);
    any = any || kind == line_kind::request;
    out += kind == line_kind::request ? 1 : kind == line_kind::bad ? -1 : 0;
  }
  return out;
}

} // namespace

std::string_view to_string(trace_format format) {
  for (auto& [value, name] : formats)
    if (value == format)
      return name;
  return "unknown";
}

std::string trace_format_names() {
  std::string out;
  for (auto& each : formats)
    out += (out.empty() ? "" : ", ") + std::string{each.second};
  return out;
}

result<trace_format> parse_trace_format(std::string_view name) {
  for (auto& [value, known] : formats)
    if (known == name)
      return value;
  return fault{errc::invalid,
               "no trace format '" + std::string{name} + "'; there are " + trace_format_names()};
}

trace_format detect_trace_format(std::string_view head) {
  auto best = trace_format::automatic;
  int most = 0;
  for (auto format : formats) {
    if (format.first == trace_format::automatic)
      continue;
    bool any = false;
    auto score = understood(*make_parser(format.first, head), head, any);
    if (any && (best == trace_format::automatic || score > most)) {
      best = format.first;
      most = score;
    }
  }
  return best;
}

std::unique_ptr<request_parser> make_parser(trace_format format, std::string_view head) {
  switch (format) {
  case trace_format::msr:
    return make_msr_parser();
  case trace_format::alibaba:
    return make_alibaba_parser();
  case trace_format::tencent:
    return make_tencent_parser();
  case trace_format::cloudphysics:
    return make_cloudphysics_parser();
  case trace_format::fio:
    return make_fio_parser();
  case trace_format::blkparse:
    return make_blkparse_parser(head);
  case trace_format::vscsi1:
    return make_vscsi_parser(1);
  case trace_format::vscsi2:
    return make_vscsi_parser(2);
  default:
    FORESHIFT_ENSURE(format == trace_format::arc);
    return make_arc_parser();
  }
}

} // namespace foreshift
