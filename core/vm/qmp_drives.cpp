// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_drives.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace foreshift::qmp {

namespace {

using json = nlohmann::json;

constexpr std::size_t drives_max = 256;
constexpr std::uint64_t mib = 1u << 20;

const json& member(const json& in, const char* key) {
  static const json none = json::object();
  auto at = in.is_object() ? in.find(key) : in.end();
  return in.is_object() && at != in.end() ? *at : none;
}

std::string text(const json& in, const char* key) {
  auto& x = member(in, key);
  return x.is_string() ? x.get<std::string>() : std::string{};
}

std::uint64_t number(const json& in, const char* key) {
  auto& x = member(in, key);
  return x.is_number_unsigned() ? x.get<std::uint64_t>() : 0;
}

/// The same drive is named by its device in both answers, else by its node.
std::string name_of(const json& row, const json& node_holder) {
  for (auto key : {"qdev", "device"})
    if (auto name = text(row, key); !name.empty())
      return name;
  return text(node_holder, "node-name");
}

std::string export_in_object(const json& x, int depth) {
  if (depth == 0 || !x.is_object())
    return {};
  if (auto name = text(x, "export"); !name.empty())
    return name;
  return export_in_object(member(x, "file"), depth - 1);
}

} // namespace

std::string export_in(const std::string& file) {
  constexpr int depth_max = 4;
  if (file.starts_with("json:")) {
    auto parsed = json::parse(file.begin() + 5, file.end(), nullptr, false);
    return parsed.is_discarded() ? std::string{} : export_in_object(parsed, depth_max);
  }
  auto scheme = file.find("://");
  if (!file.starts_with("nbd") || scheme == std::string::npos)
    return {};
  auto path = file.find('/', scheme + 3);
  if (path == std::string::npos)
    return {};
  auto end = std::min(file.find('?', path), file.size());
  return file.substr(path + 1, end - path - 1);
}

std::vector<drive> drives_of(const json& blocks, const json& stats) {
  std::map<std::string, std::string> exports; // by drive
  if (blocks.is_array())
    for (auto& row : blocks) {
      auto& inserted = member(row, "inserted");
      auto name = export_in(text(inserted, "file"));
      if (!name.empty() && exports.size() < drives_max)
        exports[name_of(row, inserted)] = name;
    }
  std::vector<drive> out;
  if (stats.is_array())
    for (auto& row : stats) {
      auto at = exports.find(name_of(row, row));
      if (at == exports.end())
        continue;
      auto& x = member(row, "stats");
      out.push_back({at->second, number(x, "rd_operations"), number(x, "wr_operations"),
                     number(x, "rd_bytes"), number(x, "wr_bytes"), number(x, "rd_total_time_ns"),
                     number(x, "wr_total_time_ns")});
      exports.erase(at);
    }
  return out;
}

std::uint64_t dirty_bytes_in(const json& answer) {
  if (text(answer, "status") != "measured")
    return 0;
  auto mb = number(answer, "dirty-rate");
  return mb < (1ull << 40) ? mb * mib : 0;
}

} // namespace foreshift::qmp
