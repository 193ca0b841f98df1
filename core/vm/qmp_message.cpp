// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_message.hpp"

#include <nlohmann/json.hpp>

namespace foreshift::qmp {

namespace {

using json = nlohmann::json;

std::string text_of(const json& in, const char* key) {
  auto at = in.find(key);
  return at != in.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

std::int64_t number_of(const json& in, const char* key) {
  auto at = in.find(key);
  return at != in.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

/// A member that is an object; else an empty one.
const json& object_of(const json& in, const char* key) {
  static const json none = json::object();
  auto at = in.find(key);
  return at != in.end() && at->is_object() ? *at : none;
}

/// Beyond the year 9999 a time is nonsense, and its microseconds would overflow.
std::int64_t wall_us(const json& time) {
  constexpr std::int64_t seconds_max = 253'402'300'799;
  auto seconds = number_of(time, "seconds");
  auto us = number_of(time, "microseconds");
  bool sane = seconds > 0 && seconds <= seconds_max && us >= 0 && us < 1'000'000;
  return sane ? seconds * 1'000'000 + us : 0;
}

greeting greeting_of(const json& in) {
  auto& version = object_of(object_of(in, "version"), "qemu");
  auto part = [&](const char* key) { return static_cast<int>(number_of(version, key)); };
  return {part("major"), part("minor"), part("micro")};
}

event event_of(const json& in) {
  auto& data = object_of(in, "data");
  return {text_of(in, "event"), wall_us(object_of(in, "timestamp")), text_of(data, "status"),
          number_of(data, "pass")};
}

} // namespace

result<message> parse(std::string_view line) {
  if (line.size() > line_bytes_max)
    return fault{errc::too_large, "QEMU sent a line of more than 1 MiB"};
  bool deep = false;
  auto within = [&deep](int depth, json::parse_event_t, json&) {
    deep |= depth > depth_max;
    return !deep;
  };
  auto in = json::parse(line, within, false);
  if (deep)
    return fault{errc::too_large, "QEMU sent JSON that nests too deep"};
  if (!in.is_object())
    return fault{errc::malformed, "QEMU sent a line that is no JSON object"};
  if (in.contains("QMP"))
    return message{greeting_of(object_of(in, "QMP"))};
  if (in.contains("event"))
    return message{event_of(in)};
  if (in.contains("error"))
    return message{
        error{text_of(object_of(in, "error"), "class"), text_of(object_of(in, "error"), "desc")}};
  if (auto at = in.find("return"); at != in.end())
    return message{reply{std::make_shared<const json>(std::move(*at))}};
  return fault{errc::malformed, "QEMU sent a message of no known kind"};
}

result<void> line_reader::feed(std::string_view bytes) {
  rest_.append(bytes);
  auto last = rest_.rfind('\n');
  auto open = last == std::string::npos ? rest_.size() : rest_.size() - last - 1;
  if (open > line_bytes_max)
    return fault{errc::too_large, "QEMU sent a line of more than 1 MiB"};
  return {};
}

std::optional<std::string> line_reader::next() {
  for (;;) {
    auto end = rest_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = rest_.size();
      return std::nullopt;
    }
    auto line = rest_.substr(0, end);
    rest_.erase(0, end + 1);
    scanned_ = 0;
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    if (!line.empty())
      return line;
  }
}

} // namespace foreshift::qmp
