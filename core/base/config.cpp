// SPDX-License-Identifier: Apache-2.0
#include "core/base/config_entry.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <variant>

namespace foreshift {

namespace {

constexpr std::size_t file_bytes_max = mib;

/// A string is parsed; anything else is left to the caller.
template <class T, class Parse>
std::optional<result<config_value>> from_text(const toml::node& node, Parse parse) {
  auto text = node.value_exact<std::string_view>();
  if (!text)
    return std::nullopt;
  result<T> parsed = parse(*text);
  if (!parsed)
    return result<config_value>{parsed.error()};
  return result<config_value>{config_value{*parsed}};
}

std::optional<config_value> strings_of(const toml::node& node) {
  auto* array = node.as_array();
  if (!array)
    return std::nullopt;
  config_texts out;
  for (auto& item : *array) {
    auto text = item.value_exact<std::string>();
    if (!text)
      return std::nullopt;
    out.push_back(*text);
  }
  return config_value{std::move(out)};
}

std::string_view name_of(toml::node_type type) {
  switch (type) {
  case toml::node_type::table:
    return "a table";
  case toml::node_type::array:
    return "an array";
  case toml::node_type::string:
    return "a string";
  case toml::node_type::integer:
    return "an integer";
  case toml::node_type::floating_point:
    return "a fraction";
  case toml::node_type::boolean:
    return "true or false";
  default:
    return "a date or time";
  }
}

} // namespace

/// One parsed file: collects values to set and the error that comes first in the file.
struct config_reader::document {
  const std::vector<entry>& entries;
  const std::string& name;
  std::vector<std::pair<const entry*, config_value>> values{};
  std::optional<fault> error{};
  std::uint32_t error_line = 0;

  void fail(std::uint32_t line, const std::string& detail) {
    if (error && error_line <= line)
      return;
    error = fault{errc::invalid, fmt::format("{}:{}: {}", name, line, detail)};
    error_line = line;
  }

  static result<config_value> convert(const entry& known, const toml::node& node) {
    auto integer = node.value_exact<std::int64_t>();
    auto whole = static_cast<std::uint64_t>(integer.value_or(0));
    auto natural = integer && *integer >= 0;
    std::optional<result<config_value>> parsed;
    std::optional<config_value> plain;
    if (known.type == config_kind::text) {
      if (auto text = node.value_exact<std::string>())
        plain = *text;
    } else if (known.type == config_kind::texts) {
      plain = strings_of(node);
    } else if (known.type == config_kind::flag) {
      if (auto on = node.value_exact<bool>())
        plain = *on;
    } else if (known.type == config_kind::number) {
      if (natural && whole >= known.min && whole <= known.max)
        plain = whole;
    } else if (known.type == config_kind::bytes) {
      parsed = from_text<std::uint64_t>(node, parse_bytes);
      if (natural)
        plain = whole;
    } else if (known.type == config_kind::duration) {
      parsed = from_text<std::chrono::milliseconds>(node, parse_duration);
      if (natural && whole < 1'000'000'000'000)
        plain = std::chrono::milliseconds{*integer * 1000};
    } else {
      parsed = from_text<double>(node, parse_share);
      auto share =
          integer ? std::optional{static_cast<double>(*integer)} : node.value_exact<double>();
      if (share && *share >= 0 && *share <= 1)
        plain = *share;
    }
    if (parsed)
      return std::move(*parsed);
    if (plain)
      return std::move(*plain);
    auto given = integer ? fmt::format("{}", *integer) : std::string{name_of(node.type())};
    return fault{errc::invalid, fmt::format("expects {}, not {}", known.expects(), given)};
  }

  bool is_table(const std::string& key) const {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const entry& known) { return known.key.starts_with(key + "."); });
  }

  std::string unknown_key(const std::string& key) const {
    std::vector<std::string_view> known;
    for (auto& each : entries)
      known.push_back(each.key);
    auto nearest = nearest_key(key, known);
    auto text = fmt::format("unknown key '{}'", key);
    return nearest.empty() ? text : text + fmt::format("; did you mean '{}'?", nearest);
  }

  void walk(const toml::table& table, const std::string& prefix) {
    for (auto&& [key, node] : table) {
      auto path = prefix + std::string{key.str()};
      auto line = key.source().begin.line;
      auto found = std::find_if(entries.begin(), entries.end(),
                                [&](const entry& known) { return known.key == path; });
      auto dotted = key.str().find('.') != std::string_view::npos;
      if (found != entries.end() && !dotted)
        set(*found, node, line);
      else if (auto* inner = node.as_table();
               inner && !dotted && (!inner->empty() || is_table(path)))
        walk(*inner, path + ".");
      else
        fail(line, unknown_key(path));
    }
  }

  void set(const entry& known, const toml::node& node, std::uint32_t line) {
    auto converted = convert(known, node);
    auto text = converted ? std::get_if<std::string>(&*converted) : nullptr;
    if (known.required && text && text->empty())
      fail(line, fmt::format("'{}': must not be empty ({})", known.key, known.help));
    else if (converted)
      values.emplace_back(&known, std::move(*converted));
    else
      fail(line, fmt::format("'{}': {}", known.key, converted.error().detail));
  }

  /// A missing key is reported at its table, or at the end of a file that does not have it.
  void check_required(const toml::table& root, std::uint32_t last_line) {
    for (auto& known : entries) {
      auto given = std::any_of(values.begin(), values.end(),
                               [&](auto& pair) { return pair.first == &known; });
      if (!known.required || given)
        continue;
      auto table = table_of(known.key);
      auto at = table.empty() ? toml::node_view<const toml::node>{} : root.at_path(table);
      fail(at ? at.node()->source().begin.line : last_line,
           fmt::format("'{}' is missing ({})", known.key, known.help));
    }
  }

  void apply() {
    for (auto& [known, converted] : values)
      std::visit(
          [&converted = converted](auto* out) {
            *out = std::get<std::remove_pointer_t<decltype(out)>>(std::move(converted));
          },
          known->out);
  }
};

config_reader::config_reader() = default;
config_reader::~config_reader() = default;

void config_reader::add(entry added) {
  for (auto& known : entries_)
    FORESHIFT_ENSURE(known.key != added.key);
  entries_.push_back(std::move(added));
}

void config_reader::text(std::string key, std::string& out, std::string help) {
  add({std::move(key), config_kind::text, &out, std::move(help)});
}

void config_reader::texts(std::string key, std::vector<std::string>& out, std::string help) {
  add({std::move(key), config_kind::texts, &out, std::move(help)});
}

void config_reader::flag(std::string key, bool& out, std::string help) {
  add({std::move(key), config_kind::flag, &out, std::move(help)});
}

void config_reader::number(std::string key, std::uint64_t& out, std::uint64_t min,
                           std::uint64_t max, std::string help) {
  add({std::move(key), config_kind::number, &out, std::move(help), min, max});
}

void config_reader::bytes(std::string key, std::uint64_t& out, std::string help) {
  add({std::move(key), config_kind::bytes, &out, std::move(help)});
}

void config_reader::duration(std::string key, std::chrono::milliseconds& out, std::string help) {
  add({std::move(key), config_kind::duration, &out, std::move(help)});
}

void config_reader::share(std::string key, double& out, std::string help) {
  add({std::move(key), config_kind::share, &out, std::move(help)});
}

void config_reader::require(std::string key) {
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const entry& known) { return known.key == key; });
  FORESHIFT_ENSURE(found != entries_.end());
  found->required = true;
}

result<void> config_reader::read_file(const std::string& path) const {
  std::ifstream file(path, std::ios::binary);
  auto why = file ? 0 : errno;
  std::string text(file_bytes_max + 1, '\0');
  if (file) {
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    why = file.bad() ? EIO : 0;
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (why != 0)
    return fault{errc::invalid, fmt::format("{}: cannot be read: {}", path, std::strerror(why))};
  if (text.size() > file_bytes_max)
    return fault{errc::invalid, fmt::format("{}: is larger than 1 MiB", path)};
  return read_text(text, path);
}

result<void> config_reader::read_text(std::string_view toml, const std::string& name) const {
  document parsed{entries_, name};
  try {
    auto root = toml::parse(toml);
    parsed.walk(root, "");
    auto lines = 1 + std::count(toml.begin(), toml.end(), '\n');
    parsed.check_required(root, static_cast<std::uint32_t>(lines - toml.ends_with('\n')));
  } catch (const toml::parse_error& why) {
    parsed.fail(why.source().begin.line, std::string{why.description()});
  }
  if (parsed.error)
    return *parsed.error;
  parsed.apply();
  return {};
}

} // namespace foreshift
