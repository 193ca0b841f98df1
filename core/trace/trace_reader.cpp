// SPDX-License-Identifier: Apache-2.0
#include "core/trace/trace_reader.hpp"

#include <algorithm>

namespace foreshift {

result<trace_reader> trace_reader::open(const std::string& path, const trace_options& options) {
  auto file = open_file(path);
  if (!file)
    return file.error();
  return from(std::move(*file), path, options);
}

result<trace_reader> trace_reader::from(std::unique_ptr<byte_source> source, std::string name,
                                        const trace_options& options) {
  auto plain = unpacked(std::move(source));
  if (!plain)
    return fault{plain.error().code, name + ": " + plain.error().detail};
  auto feed = std::make_unique<line_feed>(std::move(*plain));
  auto head = feed->head();
  if (feed->failed() && (head.empty() || !options.lenient))
    return fault{feed->failed()->code, name + ": " + feed->failed()->detail};
  if (head.empty())
    return fault{errc::malformed, name + " is empty"};
  if (head.starts_with("\xef\xbb\xbf")) { // a byte order mark
    std::string_view mark;
    feed->record(3, mark);
    head = feed->head();
  }
  auto format = options.format;
  if (format == trace_format::automatic)
    format = detect_trace_format(head);
  if (format == trace_format::automatic)
    return fault{errc::malformed,
                 name + " begins like no trace of a known format (" + trace_format_names() + ")"};
  auto parser = make_parser(format, head);
  return trace_reader{std::move(feed), std::move(parser), std::move(name), options, format};
}

trace_reader::trace_reader(std::unique_ptr<line_feed> feed, std::unique_ptr<request_parser> parser,
                           std::string name, trace_options options, trace_format format)
    : feed_(std::move(feed)), parser_(std::move(parser)), name_(std::move(name)),
      options_(std::move(options)) {
  counts_.format = format;
}

bool trace_reader::next(std::string_view& line) {
  auto size = parser_->record_bytes();
  return size > 0 ? feed_->record(size, line) : feed_->line(line);
}

result<std::size_t> trace_reader::read(std::span<trace_request> out) {
  std::size_t filled = 0;
  std::string_view line;
  parsed_line parsed;
  while (filled < out.size() && next(line)) {
    ++counts_.lines;
    auto kind = parser_->parse(line, parsed);
    if (feed_->overlong()) {
      parsed.column = line_feed::line_bytes_max + 1;
      parsed.why = "the line is longer than any format's";
      kind = line_kind::bad;
    }
    if (kind == line_kind::nothing)
      continue;
    if (kind == line_kind::bad || !accept(parsed)) {
      if (auto ok = bad(parsed); !ok)
        return ok.error();
      continue;
    }
    if (!options_.volume.empty() && parsed.volume != options_.volume)
      continue;
    ++counts_.requests;
    out[filled++] = parsed.request;
  }
  counts_.timed = parser_->timed();
  if (!feed_->failed() || filled == out.size() || failure_told_)
    return filled;
  failure_told_ = true;
  // What the source itself cannot give.
  parsed.why = feed_->failed()->detail.c_str();
  parsed.column = 1;
  ++counts_.lines;
  if (auto ok = bad(parsed); !ok)
    return fault{feed_->failed()->code, ok.error().detail};
  return filled;
}

/// Whether a request that parses can be one; fills in its place among the volumes and its time.
bool trace_reader::accept(parsed_line& line) {
  if (!options_.volume.empty() && line.volume != options_.volume)
    return true;
  auto& x = line.request;
  line.column = 1;
  if (x.offset >= options_.offset_end || options_.offset_end - x.offset < x.bytes) {
    line.why = "the request reaches beyond the last address that can be told apart";
    return false;
  }
  if (!place(line))
    return false;
  if (parser_->timed())
    return order(x, line.why);
  x.at_us = 0;
  if (options_.spread && options_.spread->requests > 0)
    x.at_us = static_cast<std::int64_t>(static_cast<double>(options_.spread->span_us)
                                        * static_cast<double>(counts_.requests)
                                        / static_cast<double>(options_.spread->requests));
  return true;
}

/// Several volumes lie side by side, each from a multiple of 2^44 on.
bool trace_reader::place(parsed_line& line) {
  auto& x = line.request;
  if (!find_volume(line.volume, line.why))
    return false;
  auto end = x.offset + x.bytes;
  if (volume_ == 0)
    first_volume_end_ = std::max(first_volume_end_, end);
  if (counts_.volumes.size() < 2)
    return true;
  constexpr auto stride = std::uint64_t{1} << volume_shift;
  if (end > stride || first_volume_end_ > stride) {
    line.why = "several volumes, one of them above 16 TiB: choose one by its name";
    return false;
  }
  x.offset += volume_ * stride;
  if (x.offset + x.bytes > options_.offset_end) {
    line.why = "too many volumes for extents of this size: choose one by its name";
    return false;
  }
  return true;
}

bool trace_reader::find_volume(std::string_view name, const char*& why) {
  auto& all = counts_.volumes;
  if (volume_ < all.size() && all[volume_] == name)
    return true;
  volume_ = static_cast<std::size_t>(std::find(all.begin(), all.end(), name) - all.begin());
  if (volume_ < all.size())
    return true;
  if (all.size() == volumes_max) {
    why = "more than 256 volumes: choose one by its name";
    volume_ = 0;
    return false;
  }
  all.emplace_back(name);
  return true;
}

bool trace_reader::order(trace_request& x, const char*& why) {
  if (counts_.requests == 0)
    latest_us_ = x.at_us;
  if (x.at_us < latest_us_) {
    if (latest_us_ - x.at_us > late_us_max) {
      why = "time goes back by more than 10 s";
      return false;
    }
    ++counts_.reordered;
  }
  x.at_us = latest_us_ = std::max(latest_us_, x.at_us);
  return true;
}

/// Counts it, or is the fault that it ends reading with.
result<void> trace_reader::bad(const parsed_line& line) {
  auto text = name_ + ":" + std::to_string(counts_.lines) + ":" + std::to_string(line.column) + ": "
              + line.why;
  if (!options_.lenient)
    return fault{errc::malformed, std::move(text)};
  if (counts_.skipped++ == 0)
    counts_.first_bad = std::move(text);
  return {};
}

} // namespace foreshift
