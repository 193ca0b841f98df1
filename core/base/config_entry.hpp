// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/config.hpp"

#include <span>
#include <variant>

// Inside of config_reader, shared by its two source files.

namespace foreshift {

enum class config_kind { text, texts, flag, number, bytes, duration, share };

using config_texts = std::vector<std::string>;
using config_value =
    std::variant<std::string, config_texts, bool, std::uint64_t, std::chrono::milliseconds, double>;
using config_target = std::variant<std::string*, config_texts*, bool*, std::uint64_t*,
                                   std::chrono::milliseconds*, double*>;

/// "moves" of "moves.rate"; empty for a key outside any table.
std::string_view table_of(std::string_view key);

/// The known key that a mistyped one is nearest to; empty without any.
std::string_view nearest_key(std::string_view typed, std::span<const std::string_view> known);

struct config_reader::entry {
  std::string key;
  config_kind type;
  config_target out;
  std::string help;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  bool required = false;

  /// What a value must be: "a whole number from 1 to 64".
  std::string expects() const;
  /// The variable's value as TOML.
  std::string current() const;
};

} // namespace foreshift
