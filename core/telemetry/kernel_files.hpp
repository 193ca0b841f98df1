// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// Reads the small files of /proc and /sys below a root, which tests replace. One thread.
class kernel_files {
public:
  explicit kernel_files(std::string root) : root_(std::move(root)) {}

  /// A whole file, at most 1 MiB, by its path without leading slash ("proc/stat").
  std::optional<std::string> read(std::string_view path) const;

private:
  std::string root_;
};

/// One sampling round: reads, parses, and remembers what was missing.
class sample_round {
public:
  sample_round(const kernel_files& files, std::vector<std::string>& missing)
      : files_(files), missing_(missing) {}

  /// The parsed file; names `path` as missing when it cannot be read or understood.
  template <class Parse>
  auto read(const std::string& path, Parse parse) -> decltype(parse(std::string_view{})) {
    auto text = files_.read(path);
    auto parsed = text ? parse(std::string_view{*text}) : std::nullopt;
    if (!parsed)
      miss(path);
    return parsed;
  }

  void miss(std::string path) { missing_.push_back(std::move(path)); }

private:
  const kernel_files& files_;
  std::vector<std::string>& missing_;
};

/// Per second, between two totals. Nothing when time stood still or the total went back.
inline std::optional<double> rate_between(std::uint64_t before, std::uint64_t now,
                                          std::int64_t span_ns) {
  if (span_ns <= 0 || now < before)
    return std::nullopt;
  return static_cast<double>(now - before) * 1e9 / static_cast<double>(span_ns);
}

} // namespace foreshift
