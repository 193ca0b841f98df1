// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/traces.hpp"

#include "actors/agent/agent_store.hpp"
#include "agents/cli/progress_line.hpp"
#include "agents/cli/session.hpp"
#include "core/base/units.hpp"
#include "core/forecast/backtest/survey.hpp"
#include "core/trace/iolog_writer.hpp"
#include "core/trace/workload.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <limits>
#include <set>

namespace foreshift::cli {

namespace {

result<std::int64_t> span_us(const std::string& text) {
  auto got = parse_duration(text);
  if (!got)
    return fault{errc::invalid, "--span: " + got.error().detail};
  return got->count() * 1000;
}

/// Hands `fill` a writer of an iolog.
result<void> write_iolog(const std::string& path, const std::string& file,
                         const std::function<result<void>(iolog_writer&)>& fill) {
  if (file.empty() || file.find_first_of(" \t\n") != file.npos)
    return fault{errc::invalid, "--file: a name without blanks"};
  std::ofstream on_disk;
  if (path != "-") {
    on_disk.open(path, std::ios::binary | std::ios::trunc);
    if (!on_disk)
      return fault{errc::failed, "cannot write " + path + ": " + std::strerror(errno)};
  }
  auto& out = path == "-" ? std::cout : on_disk;
  iolog_writer writer(out, file);
  if (auto ok = fill(writer); !ok)
    return ok;
  writer.end();
  if (!out.flush())
    return fault{errc::failed, "cannot write " + path};
  return {};
}

result<void> generate(const generate_request& what) {
  auto kind = parse_workload(what.kind);
  if (!kind)
    return kind.error();
  auto span = span_us(what.span);
  if (!span)
    return span.error();
  auto size = parse_bytes(what.size);
  if (!size)
    return fault{errc::invalid, "--size: " + size.error().detail};
  auto made = workload::make({*kind, *span, *size, what.seed});
  if (!made)
    return made.error();
  return write_iolog(what.out, what.file, [&](iolog_writer& out) {
    for (trace_request x; made->next(x);)
      out.write(x);
    return result<void>{};
  });
}

result<void> convert(const convert_request& what) {
  trace_options options;
  auto format = parse_trace_format(what.format);
  if (!format)
    return format.error();
  options.format = *format;
  options.volume = what.volume;
  options.lenient = what.lenient;
  auto span = span_us(what.span);
  if (!span)
    return span.error();
  constexpr std::uint32_t unit = 1u << 30; // any: only the number of requests matters
  progress_line progress;
  auto survey = survey_trace(what.trace, options, unit, *span, {});
  if (!survey)
    return survey.error();
  if (!survey->counts.timed)
    options.spread = trace_spread{survey->counts.requests, *span};
  auto reader = trace_reader::open(what.trace, options);
  if (!reader)
    return reader.error();
  return write_iolog(what.out, what.file, [&](iolog_writer& out) -> result<void> {
    std::vector<trace_request> batch(4096);
    for (auto count = batch.size(); count == batch.size();) {
      auto got = reader->read(batch);
      if (!got)
        return got.error();
      count = *got;
      for (auto& x : std::span{batch}.first(count))
        out.write(x);
      progress.show("converting", static_cast<double>(reader->counts().requests)
                                      / static_cast<double>(survey->counts.requests));
    }
    if (reader->counts().skipped > 0)
      std::fprintf(stderr, "foreshift: skipped %llu bad lines, the first: %s\n",
                   static_cast<unsigned long long>(reader->counts().skipped),
                   reader->counts().first_bad.c_str());
    return {};
  });
}

/// All records of the log's only volume, or of the one named, in the order of their times.
result<std::vector<access_record>> logged(const export_request& what) {
  auto store = read_agent_store(what.data + "/agent.db");
  if (!store)
    return store.error();
  std::vector<access_record> out;
  std::set<std::uint64_t> volumes;
  auto segments = (*store)->log(0, std::numeric_limits<std::size_t>::max());
  if (!segments)
    return segments.error();
  for (auto& each : *segments) {
    volumes.insert(each.volume);
    if (!what.volume.empty() && std::to_string(each.volume) != what.volume)
      continue;
    auto records = decode_access_segment(each.body);
    if (!records)
      return records.error();
    std::copy_if(records->begin(), records->end(), std::back_inserter(out),
                 [&](auto& x) { return x.at_us / 1'000'000 >= what.after_s; });
  }
  std::string known;
  for (auto each : volumes)
    known += ' ' + std::to_string(each);
  if (out.empty())
    return fault{errc::not_found, "no such accesses in the log; it holds volumes:" + known};
  if (what.volume.empty() && volumes.size() > 1)
    return fault{errc::invalid, "--volume: the log holds" + known};
  std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.at_us < b.at_us; });
  return out;
}

result<void> export_log(const export_request& what) {
  auto records = logged(what);
  if (!records)
    return records.error();
  return write_iolog(what.out, what.file, [&](iolog_writer& out) {
    for (auto& x : *records)
      out.write({x.at_us - records->front().at_us, x.offset, x.bytes, x.op});
    return result<void>{};
  });
}

int ended(session& s, const result<void>& ok) {
  return ok ? 0 : s.fail(ok.error());
}

} // namespace

int generate_trace(session& s, const generate_request& what) {
  return ended(s, generate(what));
}

int convert_trace(session& s, const convert_request& what) {
  return ended(s, convert(what));
}

int export_trace(session& s, const export_request& what) {
  return ended(s, export_log(what));
}

} // namespace foreshift::cli
