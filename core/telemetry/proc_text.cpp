// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/proc_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace foreshift {

namespace {

template <class T>
std::optional<T> number(std::string_view word) {
  T out{};
  auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), out);
  if (word.empty() || ec != std::errc{} || end != word.data() + word.size())
    return std::nullopt;
  return out;
}

/// Cuts the next line off `text`. A last line without its newline was cut short and does not count.
bool next_line(std::string_view& text, std::string_view& line) {
  auto end = text.find('\n');
  if (end == std::string_view::npos)
    return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != std::string_view::npos;) {
    auto end = std::min(line.find_first_of(" \t", at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

/// The number behind "name" or "name:", times 1024 if "kB" follows.
std::optional<std::uint64_t> field(std::string_view text, std::string_view name) {
  std::string_view line;
  while (next_line(text, line)) {
    if (!line.starts_with(name))
      continue;
    auto words = words_of(line.substr(name.size()));
    if (words.size() == 2 && words[1] == "kB") {
      auto kilobytes = number<std::uint64_t>(words[0]);
      return kilobytes && *kilobytes < (std::uint64_t{1} << 53) ? std::optional{*kilobytes * 1024}
                                                                : std::nullopt;
    }
    return words.size() == 1 ? number<std::uint64_t>(words[0]) : std::nullopt;
  }
  return std::nullopt;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "sda1" of "sda", "nvme0n1p2" of "nvme0n1".
bool is_partition_of(std::string_view name, std::string_view disk) {
  if (disk.empty() || !name.starts_with(disk) || name.size() == disk.size())
    return false;
  auto rest = name.substr(disk.size());
  if (!all_digits(disk.substr(disk.size() - 1)))
    return all_digits(rest);
  return rest[0] == 'p' && all_digits(rest.substr(1));
}

bool is_stacked(std::string_view name) {
  for (std::string_view prefix : {"loop", "ram", "zram", "dm-", "md", "nbd"})
    if (name.starts_with(prefix))
      return true;
  return false;
}

} // namespace

std::optional<cpu_times> parse_proc_stat(std::string_view text) {
  cpu_times out;
  auto summed = false;
  for (std::string_view line; next_line(text, line);) {
    auto words = words_of(line);
    if (words.empty() || !words[0].starts_with("cpu"))
      continue;
    if (words[0] != "cpu") {
      ++out.cores;
      continue;
    }
    // user nice system idle iowait irq softirq steal; guest time behind them is part of user.
    if (words.size() < 6)
      return std::nullopt;
    for (std::size_t i = 1; i < std::min<std::size_t>(words.size(), 9); ++i) {
      auto ticks = number<std::uint64_t>(words[i]);
      if (!ticks)
        return std::nullopt;
      out.total_ticks += *ticks;
      out.idle_ticks += i == 4 || i == 5 ? *ticks : 0;
    }
    summed = true;
  }
  return summed && out.cores > 0 ? std::optional{out} : std::nullopt;
}

std::optional<memory_sizes> parse_meminfo(std::string_view text) {
  auto total = field(text, "MemTotal:");
  auto available = field(text, "MemAvailable:");
  if (!total || !available)
    return std::nullopt;
  return memory_sizes{*total, *available};
}

std::optional<double> parse_loadavg(std::string_view text) {
  auto words = words_of(text);
  if (words.size() < 5)
    return std::nullopt;
  auto load = number<double>(words[0]);
  return load && std::isfinite(*load) && *load >= 0 ? load : std::nullopt;
}

std::optional<byte_totals> parse_net_dev(std::string_view text) {
  byte_totals out;
  auto found = false;
  for (std::string_view line; next_line(text, line);) {
    auto colon = line.find(':');
    if (colon == std::string_view::npos)
      continue;
    auto words = words_of(line.substr(colon + 1));
    if (words.size() < 16)
      return std::nullopt;
    auto in = number<std::uint64_t>(words[0]);
    auto sent = number<std::uint64_t>(words[8]);
    if (!in || !sent)
      return std::nullopt;
    out.in += *in;
    out.out += *sent;
    found = true;
  }
  return found ? std::optional{out} : std::nullopt;
}

std::optional<byte_totals> parse_diskstats(std::string_view text) {
  constexpr std::uint64_t sector_bytes = 512;
  std::vector<std::pair<std::string_view, byte_totals>> disks;
  for (std::string_view line; next_line(text, line);) {
    auto words = words_of(line);
    if (words.size() < 14)
      return std::nullopt;
    auto read = number<std::uint64_t>(words[5]);
    auto written = number<std::uint64_t>(words[9]);
    if (!read || !written)
      return std::nullopt;
    if (!is_stacked(words[2]))
      disks.emplace_back(words[2], byte_totals{*read * sector_bytes, *written * sector_bytes});
  }
  if (disks.empty())
    return std::nullopt;
  byte_totals out;
  for (auto& [name, bytes] : disks) {
    if (std::any_of(disks.begin(), disks.end(),
                    [&name = name](auto& disk) { return is_partition_of(name, disk.first); }))
      continue;
    out.in += bytes.in;
    out.out += bytes.out;
  }
  return out;
}

std::optional<process_stat> parse_process_stat(std::string_view text) {
  auto open = text.find('(');
  auto close = text.rfind(')');
  std::string_view rest;
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  auto tail = text.substr(close + 1);
  if (!next_line(tail, rest))
    return std::nullopt;
  auto words = words_of(rest); // from field 3, the state
  auto at = [&](std::size_t number_of_field) {
    auto i = number_of_field - 3;
    return i < words.size() ? number<std::uint64_t>(words[i]) : std::nullopt;
  };
  auto minor = at(10), major = at(12), user = at(14), system = at(15), start = at(22);
  if (!minor || !major || !user || !system || !start)
    return std::nullopt;
  return process_stat{std::string{text.substr(open + 1, close - open - 1)}, *user + *system,
                      *minor + *major, *start};
}

std::optional<std::uint64_t> parse_process_rss(std::string_view text) {
  return field(text, "VmRSS:");
}

std::optional<byte_totals> parse_process_io(std::string_view text) {
  auto in = field(text, "read_bytes:");
  auto written = field(text, "write_bytes:");
  if (!in || !written)
    return std::nullopt;
  return byte_totals{*in, *written};
}

std::optional<cgroup_paths> parse_process_cgroup(std::string_view text) {
  cgroup_paths out;
  auto found = false;
  for (std::string_view line; next_line(text, line);) {
    auto first = line.find(':');
    auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos || !line.substr(second + 1).starts_with('/'))
      return std::nullopt;
    auto path = std::string{line.substr(second + 1)};
    auto controllers = "," + std::string{line.substr(first + 1, second - first - 1)} + ",";
    if (controllers == ",,")
      out.unified = path;
    if (controllers.find(",cpuacct,") != std::string::npos)
      out.cpu = path;
    if (controllers.find(",memory,") != std::string::npos)
      out.memory = path;
    found = true;
  }
  return found ? std::optional{out} : std::nullopt;
}

std::optional<std::uint64_t> parse_cgroup_cpu_us(std::string_view text) {
  return field(text, "usage_usec");
}

std::optional<std::uint64_t> parse_single_number(std::string_view text) {
  std::string_view line;
  if (!next_line(text, line) || !text.empty())
    return std::nullopt;
  return number<std::uint64_t>(line);
}

} // namespace foreshift
